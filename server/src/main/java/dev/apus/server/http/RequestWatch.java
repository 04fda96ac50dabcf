package dev.apus.server.http;

/** Hears of the ends of requests, on their event loops; must not block. */
interface RequestWatch {
    /** Hears of nothing. */
    RequestWatch NONE = new RequestWatch() {
        @Override
        public void answered(Exchange exchange) {}

        @Override
        public void settled(Exchange exchange) {}
    };

    /** The answer is written, or the client has gone before. */
    void answered(Exchange exchange);

    /** And the engine has ended what it did for it: its {@link Exchange#record} is complete. */
    void settled(Exchange exchange);
}
