// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The process's own figures, by the names that every Prometheus client library gives them, read from `/proc/self` at each scrape.
public enum ProcessMetrics {
    /// Adds the figures to the registry. Where there is no `/proc` they are absent or 0.
    public static func register(in registry: MetricsRegistry) {
        let startSeconds = startTimeSeconds()
        registry.observe(
            "process_start_time_seconds", help: "Start time of the process since the Unix epoch in seconds."
        ) {
            startSeconds
        }
        registry.observe(
            "process_cpu_seconds_total", help: "User and system CPU time in seconds.", type: .counter
        ) {
            var usage = timespec()
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &usage)
            return Double(usage.tv_sec) + Double(usage.tv_nsec) * 1e-9
        }
        registry.observe("process_resident_memory_bytes", help: "Resident memory in bytes.") {
            residentBytes
        }
        registry.observe("process_virtual_memory_bytes", help: "Virtual memory in bytes.") {
            memoryPages().virtual * pageBytes
        }
        registry.observe("process_open_fds", help: "Open file descriptors.") {
            Double(openFileDescriptors())
        }
        registry.observe("process_max_fds", help: "Limit of open file descriptors.") {
            var limit = rlimit()
            guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
            return Double(limit.rlim_cur)
        }
    }

    /// Resident memory of this process; 0 where there is no `/proc`.
    public static var residentBytes: Double { memoryPages().resident * pageBytes }

    private static let pageBytes = Double(sysconf(Int32(_SC_PAGESIZE)))

    private static func memoryPages() -> (virtual: Double, resident: Double) {
        let fields = readProc("/proc/self/statm").split(separator: " ")
        guard fields.count >= 2 else { return (0, 0) }
        return (Double(fields[0]) ?? 0, Double(fields[1]) ?? 0)
    }

    private static func openFileDescriptors() -> Int {
        guard let directory = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(directory) }
        var count = 0
        while let entry = readdir(directory) {
            if entry.pointee.d_name.0 != CChar(bitPattern: UInt8(ascii: ".")) { count += 1 }
        }
        // The descriptor of the listing itself is not one of ours.
        return max(0, count - 1)
    }

    /// Boot time (`/proc/stat`) plus the 22nd field of `/proc/self/stat`, in clock ticks since boot (proc(5)).
    private static func startTimeSeconds() -> Double {
        // The command name may hold spaces and parentheses; the fields proper begin behind the last one.
        let stat = readProc("/proc/self/stat")
        guard let close = stat.lastIndex(of: ")") else { return 0 }
        let fields = stat[stat.index(after: close)...].split(separator: " ")
        // Behind the name, field 3 (state) is index 0, so field 22 is index 19.
        guard fields.count > 19, let ticks = Double(fields[19]) else { return 0 }
        let boot = readProc("/proc/stat").split(separator: "\n").first { $0.hasPrefix("btime ") }
        guard let boot, let bootSeconds = Double(boot.dropFirst("btime ".count)) else { return 0 }
        return bootSeconds + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// A small file of `/proc` as text; empty when it cannot be read.
    private static func readProc(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        // 256 KiB is beyond /proc/stat of a machine with a thousand cores.
        while bytes.count < 256 << 10 {
            let count = chunk.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { break }
            bytes.append(contentsOf: chunk[..<count])
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
