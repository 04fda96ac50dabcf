package dev.apus.kernels.cuda;

import dev.apus.kernels.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Which ways each kernel source is compiled at run time, for the check without a GPU. A new source, and a new set of defines that Java
 * asks for, is entered here.
 */
final class KernelVariants {
    /** All architectures that must compile. */
    static final List<String> ARCHITECTURES = List.of("sm_80", "sm_89", "sm_90a");

    /**
     * One way to compile a source.
     *
     * @param hot whether its kernels must neither spill registers nor use local memory
     * @param architectures those that the variant is used on
     */
    record Variant(KernelSource source, boolean hot, List<String> architectures) {}

    private enum Types {
        BF16(DType.BF16, DType.BF16),
        BF16_FP8(DType.BF16, DType.F8_E4M3),
        F32(DType.F32, DType.F32);

        private final DType activation;
        private final DType kv;

        Types(DType activation, DType kv) {
            this.activation = activation;
            this.kv = kv;
        }
    }

    private final List<Variant> all = new ArrayList<>();

    KernelVariants() {}

    /** The variants of a source; empty if it has not been entered. */
    static List<Variant> of(String resource) {
        KernelVariants variants = new KernelVariants();
        variants.list();
        return variants.all.stream()
                .filter(v -> v.source().resource().equals(resource))
                .toList();
    }

    private void list() {
        for (Types types : Types.values()) {
            add("probe.cu", types, false);
            add("attention_any.cu", types, false);
        }
        attention();
    }

    /** Head sizes of common models, and an odd multiple of 16; as {@link AttentionTiling} has them on a large and on a small device. */
    private void attention() {
        for (Types types : List.of(Types.BF16, Types.BF16_FP8)) {
            for (int dim : List.of(16, 64, 80, 128, 256)) {
                attention(types, dim, 227 * 1024, List.of("sm_80", "sm_90a"));
                attention(types, dim, 99 * 1024, List.of("sm_89"));
            }
        }
        add("attention_prefill_wgmma.cu", Types.BF16, true, List.of("sm_90a"));
    }

    private void attention(Types types, int dim, int shared, List<String> architectures) {
        AttentionTiling tiling = AttentionTiling.of(dim, types.kv == DType.F8_E4M3, shared);
        add(
                "attention_decode.cu",
                types,
                dim <= 128,
                architectures,
                "HEAD_DIM",
                dim,
                "WARPS",
                tiling.warps(),
                "STAGES",
                tiling.stages(),
                "BLOCKS",
                tiling.blocks());
        // The accumulators of 32 rows of 128 nearly fill the registers; with fp8 to widen, sm_89 spills about 160
        // bytes.
        boolean hot = dim != 128 || types == Types.BF16;
        add("attention_prefill.cu", types, hot, architectures, "HEAD_DIM", dim, "TILE_PAGES", tiling.prefillPages());
    }

    private void add(String resource, Types types, boolean hot, Object... defines) {
        add(resource, types, hot, ARCHITECTURES, defines);
    }

    private void add(String resource, Types types, boolean hot, List<String> architectures, Object... defines) {
        // fp8 conversions are instructions from sm_89 on
        List<String> able = types == Types.BF16_FP8
                ? architectures.stream()
                        .filter(a -> !Set.of("sm_80").contains(a))
                        .toList()
                : architectures;
        all.add(new Variant(
                new KernelSource(resource, KernelContext.defines(types.activation, types.kv, defines)), hot, able));
    }
}
