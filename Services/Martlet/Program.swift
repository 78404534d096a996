// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Glibc

/// The program around the commands: arguments in, exit code out.
public enum Program {
    public static let version = "0.1.0"

    /// Runs what the arguments of this process ask for, and ends it.
    public static func main() async {
        let arguments = Array(CommandLine.arguments.dropFirst())
        // So that the work can be cancelled from the signal's handler.
        let work = Task { await run(arguments) }
        let sources = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                // The second time nothing is tidied up any more.
                if work.isCancelled { _exit(ExitStatus.interrupted.rawValue) }
                work.cancel()
            }
            source.resume()
            return source
        }
        let status = await work.value
        withExtendedLifetime(sources) {}
        exit(status.rawValue)
    }

    static func run(_ arguments: [String]) async -> ExitStatus {
        let console = Console(isJSON: arguments.prefix { $0 != "--" }.contains("--json"))
        do {
            var command = try MartletCommand.parseAsRoot(arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            return .done
        } catch let failure as CommandFailure {
            console.fail(failure)
            return failure.status
        } catch is CancellationError {
            console.fail(CommandFailure(.interrupted, "interrupted"))
            return .interrupted
        } catch let status as ExitRequest {
            return status.status
        } catch {
            return finish(error, console)
        }
    }

    /// What the argument parser throws: help and versions, which are results, and errors of usage.
    private static func finish(_ error: any Error, _ console: Console) -> ExitStatus {
        let message = MartletCommand.fullMessage(for: error)
        if MartletCommand.exitCode(for: error) == .success {
            // The parser heads a group with its name and what is in it, which can be seen.
            console.print(message.replacing(" SUBCOMMANDS:\n", with: ":\n"))
            return .done
        }
        if console.isJSON {
            console.fail(.usage(MartletCommand.message(for: error)))
        } else {
            console.note(message)
        }
        return .usage
    }
}
