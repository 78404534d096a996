// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What figures were measured on: without it they mean nothing.
struct MachineFacts: Codable, Sendable {
    var processor: String
    var cores: Int
    var memoryGibibytes: Double
    var system: String
    var kernel: String
    /// Type and device of the filesystem that is written to.
    var filesystem: String
    /// Of the last minute when the benchmark began: above 0.5 somebody else was at work.
    var loadAverage: Double
    /// UTC.
    var date: String

    /// - Parameter path: a folder on the disk that is written to.
    static func gather(writingTo path: String = NSTemporaryDirectory()) -> MachineFacts {
        var name = utsname()
        uname(&name)
        let release = withUnsafeBytes(of: name.release) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        return MachineFacts(
            processor: value(of: "model name", in: "/proc/cpuinfo", separator: ":") ?? "unknown",
            cores: ProcessInfo.processInfo.activeProcessorCount,
            memoryGibibytes: Double(ProcessInfo.processInfo.physicalMemory) / Double(1 << 30),
            system: value(of: "PRETTY_NAME", in: "/etc/os-release", separator: "=") ?? "Linux", kernel: release,
            filesystem: filesystem(of: path), loadAverage: loadAverage,
            date: ISO8601DateFormatter().string(from: Date()))
    }

    var markdown: String {
        let memory = String(format: "%.0f", memoryGibibytes)
        let load = String(format: "%.2f", loadAverage)
        return
            "\(date): \(processor), \(cores) cores, \(memory) GiB, \(system), Linux \(kernel), \(filesystem), load average before \(load)."
    }

    private static func value(of key: String, in file: String, separator: Character) -> String? {
        guard let text = try? String(contentsOfFile: file, encoding: .utf8) else { return nil }
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: separator, maxSplits: 1)
            if parts.count == 2, parts[0].trimmingCharacters(in: .whitespaces) == key {
                return parts[1].trimmingCharacters(in: CharacterSet(charactersIn: " \""))
            }
        }
        return nil
    }

    private static var loadAverage: Double {
        var averages = [0.0]
        return getloadavg(&averages, 1) == 1 ? averages[0] : .nan
    }

    /// By the longest mount point that the path begins with.
    private static func filesystem(of path: String) -> String {
        let mounts = (try? String(contentsOfFile: "/proc/mounts", encoding: .utf8)) ?? ""
        var found = (length: -1, text: "unknown filesystem")
        for line in mounts.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count >= 3 else { continue }
            let point = String(fields[1])
            let prefix = point.hasSuffix("/") ? point : point + "/"
            if (path + "/").hasPrefix(prefix), point.utf8.count >= found.length {
                found = (point.utf8.count, "\(fields[2]) on \(fields[0])")
            }
        }
        return found.text
    }
}
