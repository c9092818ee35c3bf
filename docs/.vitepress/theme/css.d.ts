/** Styles have effects and no exports; Vite puts them together. */
declare module "*.css";
