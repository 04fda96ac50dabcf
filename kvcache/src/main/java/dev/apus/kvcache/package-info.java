/** Bookkeeping of KV blocks: which are free, shared, cached. No tensors, no I/O. */
@NullMarked
package dev.apus.kvcache;

import org.jspecify.annotations.NullMarked;
