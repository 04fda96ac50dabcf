package dev.apus.models.chat;

import java.util.List;

/** Python's dict.keys(), values() and items(): sized and iterable, but without an index. */
record View(String type, List<Object> items) {}
