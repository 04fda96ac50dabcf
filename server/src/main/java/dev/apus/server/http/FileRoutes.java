package dev.apus.server.http;

import dev.apus.server.batch.BatchException;
import dev.apus.server.batch.Batches;
import dev.apus.server.batch.FileStore;
import dev.apus.server.batch.StoredFile;
import dev.apus.server.http.Route.Kind;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpMethod;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** OpenAI's files: {@code /v1/files} and what is below it. Thread-safe. */
final class FileRoutes {
    private static final Logger LOG = LoggerFactory.getLogger(FileRoutes.class);
    private static final String PATH = "/v1/files";
    private static final String CONTENT = "/content";
    private static final String LINES = "application/jsonl";
    private static final int MOST_FIELD = 1024;
    private static final int MOST_LISTED = 10_000;
    private static final int BUFFER = 64 << 10;
    private static final long MILLIS = 1000;

    private final BatchService service;

    FileRoutes(BatchService service) {
        this.service = service;
    }

    List<Route> routes() {
        return List.of(
                new Route("POST", PATH, Kind.UPLOAD, this::create),
                new Route("GET", PATH, Kind.ORDINARY, this::list),
                new Route("GET", PATH + "/*", Kind.ORDINARY, this::read),
                new Route("DELETE", PATH + "/*", Kind.ORDINARY, this::delete));
    }

    /** What was read of a form. */
    private static final class Form {
        private @Nullable String purpose;
        private @Nullable String filename;
        private FileStore.@Nullable Upload upload;
        private final Set<String> unknown = new LinkedHashSet<>();
    }

    private void create(Exchange exchange) {
        BodyStream body = Objects.requireNonNull(exchange.bodyStream());
        String type = exchange.headers().get(HttpHeaderNames.CONTENT_TYPE, "");
        Form form = new Form();
        try {
            read(new MultipartReader(body, type), form, exchange.principal().tenant());
            FileStore.Upload upload = form.upload;
            if (upload == null || form.purpose == null) {
                throw missing(upload == null ? "file" : "purpose");
            }
            StoredFile file = upload.commit(form.filename == null ? "file" : form.filename, form.purpose);
            if (!form.unknown.isEmpty()) {
                exchange.header(
                        "warning",
                        "299 apus \"parameters without effect here: " + String.join(", ", form.unknown) + "\"");
            }
            exchange.respondJson(200, json(file));
        } catch (BatchException e) {
            throw BatchService.toApi(e);
        } catch (IOException e) {
            // Nobody is there to be told, or was told already.
            LOG.debug("request {}: {}", exchange.requestId(), e.getMessage());
            exchange.respond(ApiException.badRequest("the body was not sent to its end"));
        } finally {
            FileStore.Upload upload = form.upload;
            if (upload != null) {
                upload.close();
            }
        }
    }

    private void read(MultipartReader reader, Form form, String tenant) throws IOException {
        for (MultipartReader.Part part = reader.next(); part != null; part = reader.next()) {
            switch (part.name()) {
                case "purpose" -> form.purpose = purpose(reader.text("purpose", MOST_FIELD));
                case "file" -> {
                    if (form.upload != null) {
                        throw ApiException.invalid("file", "'file' is there twice, send one file at a time");
                    }
                    form.filename = part.filename();
                    FileStore.Upload upload = service.get().files().begin(tenant);
                    form.upload = upload;
                    byte[] buffer = new byte[BUFFER];
                    for (int count = reader.read(buffer); count >= 0; count = reader.read(buffer)) {
                        upload.write(buffer, 0, count);
                    }
                }
                default -> {
                    var _ = reader.text(part.name(), MOST_FIELD);
                    form.unknown.add(part.name().replaceAll("[^A-Za-z0-9_.\\[\\]-]", "_"));
                }
            }
        }
    }

    private static String purpose(String purpose) {
        if (!purpose.equals(StoredFile.INPUT)) {
            throw ApiException.invalid(
                    "purpose", "'purpose' must be '" + StoredFile.INPUT + "': files are kept for batches alone");
        }
        return purpose;
    }

    private static ApiException missing(String name) {
        return new ApiException(
                400, "'" + name + "' is missing, it is required", name, "missing_required_parameter", 0);
    }

    private void list(Exchange exchange) {
        Pages pages = new Pages(exchange);
        String purpose = pages.one("purpose", "");
        List<StoredFile> files = service.get().files().list(exchange.principal().tenant()).stream()
                .filter(file -> purpose.isEmpty() || file.purpose().equals(purpose))
                .toList();
        exchange.respondJson(200, pages.page(files, MOST_LISTED, MOST_LISTED, true, StoredFile::id, FileRoutes::json));
    }

    private void read(Exchange exchange) {
        String rest = exchange.path().substring(PATH.length() + 1);
        boolean content = rest.endsWith(CONTENT);
        try {
            FileStore files = service.get().files();
            String id = content ? rest.substring(0, rest.length() - CONTENT.length()) : rest;
            StoredFile file = files.get(exchange.principal().tenant(), id);
            if (!content) {
                exchange.respondJson(200, json(file));
            } else if (exchange.method().equals(HttpMethod.HEAD)) {
                exchange.respondHead(LINES, file.bytes());
            } else {
                send(exchange, files.open(file));
            }
        } catch (BatchException e) {
            throw BatchService.toApi(e);
        }
    }

    private static void send(Exchange exchange, FileChannel channel) {
        try (channel) {
            new FileSender(exchange).send(channel, LINES);
        } catch (IOException e) {
            LOG.warn("request {}: the file cannot be closed: {}", exchange.requestId(), e.toString());
        }
    }

    private void delete(Exchange exchange) {
        String id = exchange.path().substring(PATH.length() + 1);
        try {
            Batches batches = service.get();
            batches.delete(exchange.principal().tenant(), id);
        } catch (BatchException e) {
            throw BatchService.toApi(e);
        }
        JsonOut out = new JsonOut().raw("{\"id\":").string(id);
        exchange.respondJson(
                200, out.raw(",\"object\":\"file\",\"deleted\":true}").toBytes());
    }

    private static byte[] json(StoredFile file) {
        JsonOut out = new JsonOut().raw("{\"id\":").string(file.id()).raw(",\"object\":\"file\",\"bytes\":");
        out.number(file.bytes()).raw(",\"created_at\":").number(file.createdMillis() / MILLIS);
        out.raw(",\"filename\":").string(file.filename()).raw(",\"purpose\":").string(file.purpose());
        return out.raw(",\"status\":\"processed\"}").toBytes();
    }
}
