# Varve as one binary on a base without shell or package manager.

FROM oven/bun:1.4.5-debian AS build
WORKDIR /build
# Not for production alone: that would leave out the optional client of NATS, and the bundler takes
# no more than what is imported anyway. The embedded Postgres is optional as well, and no container
# wants a second database inside.
COPY package.json bun.lock bunfig.toml ./
RUN bun install --frozen-lockfile --omit=optional
COPY tsconfig.json ./
COPY sql ./sql
COPY src ./src
RUN bun src/ops/build.ts --outfile /build/dist/varve

# Its tags move; whoever must rebuild the same image later pins the digest of the day here.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/dist/varve /app/varve
WORKDIR /app
USER nonroot
ENV APP_ENV=production
EXPOSE 3000
# The release command of a platform replaces CMD and keeps ENTRYPOINT: it is a verb alone.
ENTRYPOINT ["/app/varve"]
CMD ["serve"]
