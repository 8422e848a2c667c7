# Varve as one binary on a base without shell or package manager.

FROM oven/bun:1.4.5-debian AS build
WORKDIR /build
# Production packages alone: what the build does not need cannot end up in the binary. The embedded
# Postgres is optional, and no container wants a second database inside.
COPY package.json bun.lock bunfig.toml ./
RUN bun install --frozen-lockfile --production --omit=optional
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
