package dev.apus.kernels.cuda;

import dev.apus.kernels.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

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

    /** The variants of a source; empty if it has not been entered. Entries without a source do no harm. */
    static List<Variant> of(String resource) {
        KernelVariants variants = new KernelVariants();
        variants.list();
        return variants.all.stream()
                .filter(v -> v.source().resource().equals(resource))
                .toList();
    }

    private void list() {
        attention();
        linear();
        mixture();
        for (Types types : Types.values()) {
            add("probe.cu", types, false);
            add("attention_any.cu", types, false);
            // float32 is for small models and tests: a wide row may spill there
            add("norm.cu", types, types != Types.F32);
            add("pointwise.cu", types, true);
            rope(types);
        }
        sampling();
    }

    private void rope(Types types) {
        add("rope.cu", types, true, "HEAD_DIM", 128, "ROTARY_DIM", 128);
        if (types == Types.BF16) {
            add("rope.cu", types, true, "HEAD_DIM", 64, "ROTARY_DIM", 0);
            add("rope.cu", types, true, "HEAD_DIM", 256, "ROTARY_DIM", 64, "INTERLEAVED", 1);
            add("rope.cu", types, true, "HEAD_DIM", 21, "ROTARY_DIM", 10, "ROPE_FIRST", 1);
        }
    }

    /** Logits are float32 whatever the types. A rare path of the cluster's kernel spills a word or two. */
    private void sampling() {
        List<String> clusters = List.of("sm_90a");
        List<String> alone = List.of("sm_80", "sm_89");
        for (int resident = 0; resident <= 1; resident++) {
            add("sampling.cu", clusters, "CLUSTER", 8, "THREADS", 512, "RESIDENT", resident);
            add("sampling.cu", alone, "CLUSTER", 1, "THREADS", 1024, "RESIDENT", resident);
        }
    }

    private void add(String resource, List<String> architectures, Object... defines) {
        Map<String, String> named = new TreeMap<>();
        for (int i = 0; i < defines.length; i += 2) {
            named.put(String.valueOf(defines[i]), String.valueOf(defines[i + 1]));
        }
        all.add(new Variant(new KernelSource(resource, named), false, architectures));
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

    /** As LinearPlan's variants: clusters need Hopper. */
    private void linear() {
        for (Types types : List.of(Types.BF16, Types.F32)) {
            add("linear_any.cu", types, false);
            add("linear_gemv.cu", types, types == Types.BF16);
        }
        for (int tiles = 1; tiles <= 8; tiles *= 2) {
            if (tiles <= 2) {
                few(List.of("sm_90a"), tiles, 2, 4, 4);
                few(ARCHITECTURES, tiles, 1, 1, 16);
            }
            skinny(List.of("sm_90a"), tiles, 2, 4, 4);
            skinny(ARCHITECTURES, tiles, 1, 2, 4);
        }
        skinny(List.of("sm_90a"), 2, 2, 2, 6);
        skinny(ARCHITECTURES, 2, 1, 2, 6);
    }

    private void few(List<String> architectures, int tiles, int cluster, int warpsN, int warpsK) {
        add(
                "linear_few.cu",
                Types.BF16,
                true,
                architectures,
                "TILES",
                tiles,
                "CLUSTER",
                cluster,
                "WARPS_N",
                warpsN,
                "WARPS_K",
                warpsK,
                "STAGES",
                4);
    }

    private void skinny(List<String> architectures, int tiles, int cluster, int warpsN, int stages) {
        add(
                "linear_skinny.cu",
                Types.BF16,
                true,
                architectures,
                "TILES",
                tiles,
                "CLUSTER",
                cluster,
                "WARPS_N",
                warpsN,
                "WARP_TILES",
                1,
                "WARPS_K",
                4,
                "STAGES",
                stages,
                "STAGE_K",
                128);
    }

    /** As GemmTile's tilings. */
    private void mixture() {
        add("moe.cu", Types.BF16, false);
        add("moe.cu", Types.F32, false);
        gemm(ARCHITECTURES, 16, 64, 1, 4, 8);
        gemm(ARCHITECTURES, 32, 128, 1, 4, 4);
        gemm(ARCHITECTURES, 64, 128, 2, 4, 4);
        // The largest takes more shared memory than blocks of sm_89 have.
        gemm(List.of("sm_89"), 128, 128, 2, 4, 3);
        gemm(List.of("sm_80", "sm_90a"), 128, 256, 2, 4, 3);
    }

    private void gemm(List<String> architectures, int rows, int columns, int warpsM, int warpsN, int stages) {
        add(
                "gemm.cu",
                Types.BF16,
                true,
                architectures,
                "BM",
                rows,
                "BN",
                columns,
                "WARPS_M",
                warpsM,
                "WARPS_N",
                warpsN,
                "STAGES",
                stages);
    }
}
