// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// A server that is measured by code that blocks: started, asked for its processor time, stopped. It never outlives this process.
final class MeasuredProcess {
    private let process: ServiceProcess

    init(_ executable: String, _ arguments: [String], environment: [String: String] = [:], log: String) throws {
        process = try ServiceProcess(program: executable, arguments: arguments, environment: environment, log: log)
    }

    /// Asks it to stop and waits until it has; one that does not stop within ten seconds is killed.
    func stop() {
        process.signal(SIGTERM)
        let end = ContinuousClock.now + .seconds(10)
        while process.isRunning {
            if ContinuousClock.now >= end { process.signal(SIGKILL) }
            usleep(10_000)
        }
    }

    /// User and system time so far, in seconds, in steps of 10 ms; NaN once it has ended.
    var processorSeconds: Double { (try? ProcessUsage(of: process.processIdentifier).cpuSeconds) ?? .nan }
}

/// Says on standard error what is going on: results go to standard output.
func progress(_ text: String) { FileHandle.standardError.write(Data("\(text)\n".utf8)) }
