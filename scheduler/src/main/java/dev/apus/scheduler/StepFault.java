package dev.apus.scheduler;

/** The device failed: all that it computed and held is lost, and it can run no more steps. */
final class StepFault extends RuntimeException {
    private static final long serialVersionUID = 1L;

    StepFault(Throwable cause) {
        super("the device failed: " + cause, cause);
    }
}
