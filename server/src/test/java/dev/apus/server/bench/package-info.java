@NullMarked
package dev.apus.server.bench;

import org.jspecify.annotations.NullMarked;
