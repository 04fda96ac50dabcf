package dev.apus.scheduler;

/**
 * Builds {@link EngineOptions}; what each means is said there. Setters return this; the values are checked
 * by {@link #build}. Not thread-safe.
 */
public final class EngineOptionsBuilder {
    private int maxModelLen = 0;
    private int maxNumSeqs = 0;
    private int maxNumBatchedTokens = 0;
    private int longPrefillTokenThreshold = 0;
    private int maxWaiting = 1024;
    private int maxNumQueuedReqs = 0;
    private long maxNumQueuedTokens = 0;
    private boolean enablePrefixCaching = true;
    private long kvCacheMemoryBytes = 0;
    private int numKvBlocks = 0;
    private long seed = 0;
    private EngineOptions.ComputeType dtype = EngineOptions.ComputeType.AUTO;
    private EngineOptions.KvType kvCacheDtype = EngineOptions.KvType.AUTO;
    private double gpuMemoryUtilization = 0.9;
    private boolean enforceEager = false;
    private EngineOptions.LoadFormat loadFormat = EngineOptions.LoadFormat.AUTO;
    private double kvCacheMetricsSample = 0;
    private boolean serving = false;

    EngineOptionsBuilder() {}

    EngineOptionsBuilder(EngineOptions from) {
        maxModelLen = from.maxModelLen();
        maxNumSeqs = from.maxNumSeqs();
        maxNumBatchedTokens = from.maxNumBatchedTokens();
        longPrefillTokenThreshold = from.longPrefillTokenThreshold();
        maxWaiting = from.maxWaiting();
        maxNumQueuedReqs = from.maxNumQueuedReqs();
        maxNumQueuedTokens = from.maxNumQueuedTokens();
        enablePrefixCaching = from.enablePrefixCaching();
        kvCacheMemoryBytes = from.kvCacheMemoryBytes();
        numKvBlocks = from.numKvBlocks();
        seed = from.seed();
        dtype = from.dtype();
        kvCacheDtype = from.kvCacheDtype();
        gpuMemoryUtilization = from.gpuMemoryUtilization();
        enforceEager = from.enforceEager();
        loadFormat = from.loadFormat();
        kvCacheMetricsSample = from.kvCacheMetricsSample();
        serving = from.serving();
    }

    public EngineOptionsBuilder maxModelLen(int value) {
        maxModelLen = value;
        return this;
    }

    public EngineOptionsBuilder maxNumSeqs(int value) {
        maxNumSeqs = value;
        return this;
    }

    public EngineOptionsBuilder maxNumBatchedTokens(int value) {
        maxNumBatchedTokens = value;
        return this;
    }

    public EngineOptionsBuilder longPrefillTokenThreshold(int value) {
        longPrefillTokenThreshold = value;
        return this;
    }

    public EngineOptionsBuilder maxWaiting(int value) {
        maxWaiting = value;
        return this;
    }

    public EngineOptionsBuilder maxNumQueuedReqs(int value) {
        maxNumQueuedReqs = value;
        return this;
    }

    public EngineOptionsBuilder maxNumQueuedTokens(long value) {
        maxNumQueuedTokens = value;
        return this;
    }

    public EngineOptionsBuilder enablePrefixCaching(boolean value) {
        enablePrefixCaching = value;
        return this;
    }

    public EngineOptionsBuilder kvCacheMemoryBytes(long value) {
        kvCacheMemoryBytes = value;
        return this;
    }

    public EngineOptionsBuilder numKvBlocks(int value) {
        numKvBlocks = value;
        return this;
    }

    public EngineOptionsBuilder seed(long value) {
        seed = value;
        return this;
    }

    public EngineOptionsBuilder dtype(EngineOptions.ComputeType value) {
        dtype = value;
        return this;
    }

    public EngineOptionsBuilder kvCacheDtype(EngineOptions.KvType value) {
        kvCacheDtype = value;
        return this;
    }

    public EngineOptionsBuilder gpuMemoryUtilization(double value) {
        gpuMemoryUtilization = value;
        return this;
    }

    public EngineOptionsBuilder enforceEager(boolean value) {
        enforceEager = value;
        return this;
    }

    public EngineOptionsBuilder loadFormat(EngineOptions.LoadFormat value) {
        loadFormat = value;
        return this;
    }

    public EngineOptionsBuilder kvCacheMetricsSample(double value) {
        kvCacheMetricsSample = value;
        return this;
    }

    public EngineOptionsBuilder serving(boolean value) {
        serving = value;
        return this;
    }

    /** @throws IllegalArgumentException naming the option that is out of range */
    public EngineOptions build() {
        return new EngineOptions(
                maxModelLen,
                maxNumSeqs,
                maxNumBatchedTokens,
                longPrefillTokenThreshold,
                maxWaiting,
                maxNumQueuedReqs,
                maxNumQueuedTokens,
                enablePrefixCaching,
                kvCacheMemoryBytes,
                numKvBlocks,
                seed,
                dtype,
                kvCacheDtype,
                gpuMemoryUtilization,
                enforceEager,
                loadFormat,
                kvCacheMetricsSample,
                serving);
    }
}
