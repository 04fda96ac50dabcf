package dev.apus.models.chat;

import java.util.Iterator;

/** A Python generator or iterator: consumed once, without a length. */
record Generator(String type, Iterator<Object> items) {}
