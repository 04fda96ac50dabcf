/** Tests of the models. */
@NullMarked
package dev.apus.models;

import org.jspecify.annotations.NullMarked;
