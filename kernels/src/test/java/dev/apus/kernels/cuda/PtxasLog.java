package dev.apus.kernels.cuda;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads what {@code --ptxas-options=-v} says about each kernel. */
final class PtxasLog {
    private static final Pattern NAME = Pattern.compile("Compiling entry function '(\\w+)'");
    private static final Pattern MEMORY =
            Pattern.compile("(\\d+) bytes stack frame, (\\d+) bytes spill stores, (\\d+) bytes spill loads");
    private static final Pattern REGISTERS = Pattern.compile("Used (\\d+) registers");

    /**
     * What a kernel uses.
     *
     * @param stack bytes of local memory of a thread, spills included
     * @param spills bytes of spill stores and loads
     */
    record Usage(String kernel, int registers, int stack, int spills) {
        boolean isClean() {
            return stack == 0 && spills == 0;
        }
    }

    private PtxasLog() {}

    static List<Usage> read(String log) {
        List<Usage> all = new ArrayList<>();
        String kernel = "";
        int stack = 0;
        int spills = 0;
        for (String line : log.lines().toList()) {
            Matcher name = NAME.matcher(line);
            Matcher memory = MEMORY.matcher(line);
            Matcher registers = REGISTERS.matcher(line);
            if (name.find()) {
                kernel = name.group(1);
            } else if (memory.find()) {
                stack = Integer.parseInt(memory.group(1));
                spills = Integer.parseInt(memory.group(2)) + Integer.parseInt(memory.group(3));
            } else if (registers.find()) {
                all.add(new Usage(kernel, Integer.parseInt(registers.group(1)), stack, spills));
            }
        }
        return all;
    }
}
