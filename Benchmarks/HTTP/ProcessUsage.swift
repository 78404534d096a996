// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// What a process has used so far, from `/proc` (proc(5)).
struct ProcessUsage {
    /// User and system time.
    let cpuSeconds: Double
    let residentBytes: Int

    init(of identifier: Int32) throws {
        let stat = try String(contentsOfFile: "/proc/\(identifier)/stat", encoding: .utf8)
        // The command may hold spaces and parentheses; the fields proper begin behind the last one with the third (state).
        let fields = stat[(stat.lastIndex(of: ")") ?? stat.startIndex)...].split(separator: " ")
        guard fields.count > 21, let user = Double(fields[12]), let system = Double(fields[13]),
            let pages = Int(fields[22])
        else { throw CocoaError(.fileReadCorruptFile) }
        cpuSeconds = (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
        residentBytes = pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}
