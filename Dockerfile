# Build tools stay in the first stage.
FROM node:24-slim AS build
WORKDIR /authmq
COPY package.json package-lock.json ./
COPY .ci/node .ci/node
RUN npm ci --no-audit --no-fund
COPY tsconfig.json ./
COPY src src
RUN npm run build && chmod 755 dist/cli.js

FROM node:24-slim AS packages
WORKDIR /authmq
COPY package.json package-lock.json ./
COPY .ci/node .ci/node
RUN npm ci --omit=dev --no-audit --no-fund

FROM node:24-slim
ENV NODE_ENV=production
# A smaller young generation than V8's default saves 80 MB without loss of speed (docs/performance.md).
ENV NODE_OPTIONS=--max-semi-space-size=16
WORKDIR /authmq
COPY --from=packages /authmq/node_modules node_modules
COPY --from=build /authmq/dist dist
COPY package.json LICENSE ./
# A new volume on /config gets the owner of this folder, so init can write there, and nowhere else.
RUN ln -s /authmq/dist/cli.js /usr/local/bin/authmq && mkdir /config && chown node:node /config
USER node
WORKDIR /config
CMD ["authmq", "serve"]
