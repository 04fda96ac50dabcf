/** OpenAI's batches: files of requests on disk, run behind all else, their answers in files again. Knows nothing of HTTP. */
@NullMarked
package dev.apus.server.batch;

import org.jspecify.annotations.NullMarked;
