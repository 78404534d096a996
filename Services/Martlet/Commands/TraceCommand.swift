// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet trace`
struct TraceCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace", abstract: "Where did a message get to?",
        discussion: """
            By the number that publishing answered, or by about when it was sent:

              martlet trace hall-2 4711
              martlet trace hall-2 --at 2026-11-24T13:55:13Z --within 5

            Looks into the log of the bus, for rows in the database, and into the dead letters: why it, or a record of it, was not stored. Succeeds when the message, all of it, is stored.
            """)

    @Argument(help: "Identifier, route or name.")
    var channel: String
    @Argument(help: ArgumentHelp("The message's number (Martlet-Sequence).", valueName: "number"))
    var sequence: UInt64?
    @Option(help: ArgumentHelp("About when it was measured or sent.", valueName: "time"))
    var at: String?
    @Option(help: ArgumentHelp("Seconds before and behind that time.", valueName: "seconds"))
    var within = 1.0
    @OptionGroup var identity: ThingOptions
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard (sequence == nil) != (at == nil) else {
            throw ValidationError("Say the message's number, or --at a time.")
        }
        guard within > 0, within <= 86_400 else { throw ValidationError("--within must be above 0, up to 86400.") }
    }

    func execute(_ context: CommandContext) async throws {
        let reader = try await MessageReader(context, channel: channel, identity)
        let tracer = Tracer(reader: reader)
        let trace: Trace
        if let sequence {
            trace = try await tracer.trace(sequence: sequence)
        } else {
            let time = try TimeArgument.seconds(at ?? "")
            trace = try await tracer.trace(at: Double(time) ?? 0, within: within)
        }
        trace.show(context.console)
        if trace.status != .done { throw ExitRequest(status: trace.status) }
    }
}
