@NullMarked
package dev.apus.scheduler.pooling;

import org.jspecify.annotations.NullMarked;
