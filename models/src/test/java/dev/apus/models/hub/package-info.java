@NullMarked
package dev.apus.models.hub;

import org.jspecify.annotations.NullMarked;
