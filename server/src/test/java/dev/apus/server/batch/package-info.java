@NullMarked
package dev.apus.server.batch;

import org.jspecify.annotations.NullMarked;
