// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A server that is measured: started, asked for its processor time, stopped.
final class MeasuredProcess {
    private let process = Process()

    init(_ executable: String, _ arguments: [String], environment: [String: String] = [:], log: String) throws {
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        var variables = ProcessInfo.processInfo.environment
        variables.merge(environment) { _, new in new }
        process.environment = variables
        guard FileManager.default.createFile(atPath: log, contents: nil) else {
            throw BenchmarkFailure(description: "\(log) cannot be created")
        }
        let output = try FileHandle(forWritingTo: URL(fileURLWithPath: log))
        process.standardOutput = output
        process.standardError = output
        do {
            try process.run()
        } catch {
            throw BenchmarkFailure(description: "\(executable) cannot be started: \(error)")
        }
    }

    deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

    func stop() {
        process.terminate()
        process.waitUntilExit()
    }

    /// User and system time so far, in seconds, in steps of 10 ms (proc(5), fields 14 and 15 of `stat`).
    var processorSeconds: Double {
        guard let text = try? String(contentsOfFile: "/proc/\(process.processIdentifier)/stat", encoding: .utf8),
            let end = text.lastIndex(of: ")")
        else { return .nan }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return .nan }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Resident memory in MiB.
    var residentMebibytes: Double {
        guard let text = try? String(contentsOfFile: "/proc/\(process.processIdentifier)/statm", encoding: .utf8),
            let pages = text.split(separator: " ").dropFirst().first.flatMap({ Double($0) })
        else { return .nan }
        return pages * Double(sysconf(Int32(_SC_PAGESIZE))) / Double(1 << 20)
    }
}

func progress(_ text: String) { FileHandle.standardError.write(Data("\(text)\n".utf8)) }
