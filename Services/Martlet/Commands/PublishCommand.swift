// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation

/// `martlet publish`
struct PublishCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "publish", abstract: "Send a message as a thing.",
        discussion: """
              martlet publish hall-2 'temperature=71.5[Cel]' 'open=false' 'state=idle'
              martlet publish hall-2/boiler-7 --base-name boiler-7: 'pressure=182000[Pa]'
              martlet publish hall-2 --file pack.json
              echo '{"strokes": 1824}' | martlet publish press-line --file - --type json
              martlet publish camera --file image.jpg --type image/jpeg

            When this prints a number, the message is on disk; the number finds it again (martlet trace). When the server is away the message is sent \
            again, with the same idempotency key: it is never stored twice.

            The thing that speaks is told by --thing (a stored key), --key or MARTLET_KEY; if one key alone is stored, by nothing.
            """)

    @Argument(help: "The channel: identifier, route or name, and a subtopic behind a slash.")
    var channel: String
    @Argument(help: ArgumentHelp("Measurements: name=value or name=value[unit].", valueName: "measurement"))
    var measurements: [String] = []
    @Option(help: ArgumentHelp("Send what stands in this file; - is standard input.", valueName: "path"))
    var file: String?
    @Option(
        help: ArgumentHelp("What the file is: senml (default), cbor, json, binary, or a media type.", valueName: "type")
    )
    var type: String?
    @Option(help: ArgumentHelp("Stands before every measurement's name.", valueName: "name"))
    var baseName: String?
    @Option(
        help: ArgumentHelp(
            "When it was measured: seconds since 1970, or ISO 8601; else the server's time.", valueName: "time"))
    var time: String?
    @OptionGroup var identity: ThingOptions
    @Option(help: ArgumentHelp("Your own idempotency key, for scripts that try again themselves.", valueName: "text"))
    var idempotencyKey: String?
    @Option(help: ArgumentHelp("How often to send it again when the server is away.", valueName: "count"))
    var retries = 5
    @OptionGroup var options: GlobalOptions

    func execute(_ context: CommandContext) async throws {
        let key = try context.requiredKey(identity.key, thing: identity.thing)
        let (contentType, body) = try content()
        let parts = channel.split(separator: "/", maxSplits: 1).map(String.init)
        guard let name = parts.first else { throw CommandFailure.usage("'\(channel)' names no channel") }
        let target = try await context.channelForThing(name)
        let subtopic = parts.count > 1 ? parts[1] : nil
        let publication =
            if let idempotencyKey {
                Publication(
                    channel: target, subtopic: subtopic, contentType: contentType, body: body,
                    idempotencyKey: idempotencyKey)
            } else {
                Publication(channel: target, subtopic: subtopic, contentType: contentType, body: body)
            }
        let receipt = try await publication.send(key: key, context.client, retries: max(0, retries)) { failure in
            context.console.note("\(failure.message); sending it again", .faint)
        }
        if context.console.isJSON {
            context.console.print(
                .document([
                    ("sequence", receipt.sequence.map(JSONValue.number)), ("channel", .string(target)),
                    ("replayed", .bool(receipt.isReplayed)), ("retries", .integer(receipt.retries)),
                ]))
        } else {
            context.console.print("accepted as \(receipt.sequence ?? "?")\(receipt.isReplayed ? ", earlier" : "")")
        }
    }

    private func content() throws -> (type: String, body: [UInt8]) {
        if let file {
            guard measurements.isEmpty, baseName == nil, time == nil else {
                throw CommandFailure.usage("measurements and --file exclude each other")
            }
            return (Self.mediaType(type ?? "senml"), try Self.read(file))
        }
        guard type == nil else { throw CommandFailure.usage("--type says what --file is") }
        guard !measurements.isEmpty else {
            throw CommandFailure.usage(
                "nothing to send", advice: "measurements, for example 'temperature=21.5[Cel]', or --file")
        }
        let seconds = try time.map { try TimeArgument.seconds($0) }
        let pack = Measurement.pack(try measurements.map { try Measurement($0) }, baseName: baseName, time: seconds)
        return ("application/senml+json", Array(pack.description.utf8))
    }

    static func mediaType(_ word: String) -> String {
        switch word {
        case "senml": "application/senml+json"
        case "cbor": "application/senml+cbor"
        case "json": "application/json"
        case "binary": "application/octet-stream"
        default: word
        }
    }

    /// One byte more than the server takes is enough to be refused with its own words.
    private static func read(_ path: String) throws -> [UInt8] {
        let limit = (1 << 20) + 1
        guard let handle = path == "-" ? FileHandle.standardInput : FileHandle(forReadingAtPath: path) else {
            throw CommandFailure.usage("cannot read '\(path)'")
        }
        var bytes: [UInt8] = []
        while bytes.count < limit {
            guard let chunk = try? handle.read(upToCount: min(64 << 10, limit - bytes.count)) else { break }
            if chunk.isEmpty { break }
            bytes += chunk
        }
        return bytes
    }
}
