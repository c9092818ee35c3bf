/** VitePress's own theme with the machine's fonts, and with an order of search results by kind of page. */
import type { DefaultTheme, EnhanceAppContext, SiteData } from "vitepress";
import Theme from "vitepress/theme-without-fonts";
import { boostOf } from "./search.ts";
import "./style.css";

export default {
  extends: Theme,
  // Here, because a function in the configuration is sent as text to be evaluated, which the site's policy forbids.
  enhanceApp({ siteData }: EnhanceAppContext) {
    siteData.value = withBoost(siteData.value as SiteData<DefaultTheme.Config>);
  },
};

function withBoost(site: SiteData<DefaultTheme.Config>): SiteData<DefaultTheme.Config> {
  const { search } = site.themeConfig;
  if (search?.provider !== "local") return site;
  const { miniSearch } = search.options ?? {};
  const searchOptions = { ...miniSearch?.searchOptions, boostDocument: boostOf };
  const options = { ...search.options, miniSearch: { ...miniSearch, searchOptions } };
  return { ...site, themeConfig: { ...site.themeConfig, search: { ...search, options } } };
}
