// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// What a process has used so far, from `/proc` (proc(5)).
struct ProcessUsage {
    /// User and system time, in steps of 10 ms.
    let cpuSeconds: Double
    /// The same of its children that have ended and were waited for.
    let endedChildrenSeconds: Double
    let residentBytes: Int

    init(of identifier: Int32) throws {
        let stat = try String(contentsOfFile: "/proc/\(identifier)/stat", encoding: .utf8)
        // The command may hold spaces and parentheses; the fields proper begin behind the last one with the third (state).
        let fields = stat[(stat.lastIndex(of: ")") ?? stat.startIndex)...].split(separator: " ")
        guard fields.count > 22, let user = Double(fields[12]), let system = Double(fields[13]),
            let childrenUser = Double(fields[14]), let childrenSystem = Double(fields[15]), let pages = Int(fields[22])
        else { throw CocoaError(.fileReadCorruptFile) }
        let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))
        cpuSeconds = (user + system) / ticksPerSecond
        endedChildrenSeconds = (childrenUser + childrenSystem) / ticksPerSecond
        residentBytes = pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// CPU time of a process and of all children that it has or had, in seconds: of PostgreSQL, say, by its first process.
    static func cpuSecondsWithChildren(of identifier: Int32) throws -> Double {
        let parent = try ProcessUsage(of: identifier)
        // One that ends while this looks is counted with the parent next time.
        let living = children(of: identifier).compactMap { try? ProcessUsage(of: $0).cpuSeconds }
        return parent.cpuSeconds + parent.endedChildrenSeconds + living.reduce(0, +)
    }

    static func children(of identifier: Int32) -> [Int32] {
        let text = try? String(contentsOfFile: "/proc/\(identifier)/task/\(identifier)/children", encoding: .utf8)
        return (text ?? "").split(separator: " ").compactMap { Int32($0) }
    }
}

/// What a process has in memory now, from `/proc/<pid>/smaps_rollup`.
struct MemoryUsage: Sendable {
    /// Everything resident, shared pages in full.
    var residentBytes = 0
    /// Proportional: a page that n processes share counts for one nth, so that sums over processes mean something.
    var proportionalBytes = 0
    /// Pages that nobody else has.
    var privateBytes = 0

    init() {}

    init(of identifier: Int32) throws {
        let text = try String(contentsOfFile: "/proc/\(identifier)/smaps_rollup", encoding: .utf8)
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count >= 2, let kibibytes = Int(fields[1]) else { continue }
            switch fields[0] {
            case "Rss:": residentBytes = kibibytes << 10
            case "Pss:": proportionalBytes = kibibytes << 10
            case "Private_Clean:", "Private_Dirty:": privateBytes += kibibytes << 10
            default: break
            }
        }
    }

    static func + (left: MemoryUsage, right: MemoryUsage) -> MemoryUsage {
        var sum = left
        sum.residentBytes += right.residentBytes
        sum.proportionalBytes += right.proportionalBytes
        sum.privateBytes += right.privateBytes
        return sum
    }
}
