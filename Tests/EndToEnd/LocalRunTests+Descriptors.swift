// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestKit
import Testing

extension LocalRunTests {
    /// Services and nginx have more than the login shell's descriptors: what the hard limit allows, within bounds.
    func everythingMayOpenEnough(_ run: LocalRun) throws {
        var own = rlimit()
        try #require(getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &own) == 0)
        let allowed = min(Int(clamping: own.rlim_max), 65_536)
        for service in Stack.services {
            #expect(try descriptors(run, service) == allowed, "\(service)")
        }
        // Its configuration sets its workers' own.
        #expect(try descriptors(run, "nginx") >= min(allowed, 20_000))
    }

    private func descriptors(_ run: LocalRun, _ service: String) throws -> Int {
        let identifier = try #require(run.processIdentifier(of: service), "\(service) runs")
        let limits = try String(contentsOfFile: "/proc/\(identifier)/limits", encoding: .utf8)
        let line = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max open files") })
        return try #require(Int(line.split(whereSeparator: \.isWhitespace)[3]))
    }
}
