// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// One run of wrk (https://github.com/wg/wrk): closed loop, every connection sends its next request when it has its answer.
struct WrkLoad {
    struct Result: Codable {
        var requestsPerSecond: Double
        var p50Milliseconds: Double
        var p99Milliseconds: Double
        var requests: Int
        /// Answers other than 2xx and 3xx, and connections that broke.
        var failures: Int
    }

    let port: Int
    let path: String
    let key: String
    var connections = 64
    var threads = 2
    var seconds = 8

    /// A SenML pack of 200 bytes: three readings of one station.
    static let body =
        #"[{"bn":"urn:dev:ow:10e2073a01080063:","bt":1.320067464e+09,"bu":"%RH","n":"humidity","v":61.25},"#
        + #"{"n":"temperature","u":"Cel","v":21.375},{"n":"door","vb":false},{"n":"state","vs":"okay, all good"}]"#

    func run(in directory: TemporaryDirectory) async throws -> Result {
        let script = directory.file("publish.lua")
        try Self.script(key: key).write(toFile: script, atomically: true, encoding: .utf8)
        let log = directory.file("wrk-\(UUID().uuidString).log")
        let process = try ServiceProcess(
            program: Executables.system("wrk"),
            arguments: [
                "-t\(threads)", "-c\(connections)", "-d\(seconds)s", "-s", script, "http://127.0.0.1:\(port)\(path)",
            ], log: log)
        try await process.waitForExit(deadline: .seconds(Double(seconds) + 60))
        let line = process.log.split(separator: "\n").first { $0.hasPrefix("RESULT ") }
        let numbers = line?.split(separator: " ").dropFirst().compactMap { Double($0) } ?? []
        guard numbers.count == 5 else {
            throw ServiceProcess.Ended(description: "wrk printed no result:\n\(process.log)")
        }
        return Result(
            requestsPerSecond: numbers[0] / (numbers[1] / 1e6), p50Milliseconds: numbers[2] / 1_000,
            p99Milliseconds: numbers[3] / 1_000, requests: Int(numbers[0]), failures: Int(numbers[4]))
    }

    private static func script(key: String) -> String {
        """
        wrk.method = "POST"
        wrk.body = '\(body)'
        wrk.headers["Content-Type"] = "application/senml+json"
        wrk.headers["Authorization"] = "Thing \(key)"
        done = function(summary, latency, requests)
            local e = summary.errors
            io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration,
                latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
        end
        """
    }
}
