// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// Who sends, and where.
struct SimulationTarget: ParsableArguments {
    @Option(help: "How many devices.")
    var devices = 1
    @Option(help: ArgumentHelp("A channel that is there, instead of a new one.", valueName: "channel"))
    var channel: String?
    @Option(help: ArgumentHelp("A thing that is there, by its stored key, instead of new ones.", valueName: "thing"))
    var thing: String?
    @Option(help: ArgumentHelp("The key of a thing that is there.", valueName: "key"))
    var key: String?
    @Option(help: ArgumentHelp("Where below the channel.", valueName: "subtopic"))
    var subtopic: String?
    @Option(help: ArgumentHelp("How they send: http or mqtt.", valueName: "protocol"))
    var `protocol` = SendingProtocol.http
    @Option(
        help: ArgumentHelp(
            "The MQTT server, like mqtt://localhost:1883; beside the front door unless given.", valueName: "address"))
    var mqtt: String?
    @Flag(help: "Leave the things and the channel that were made.")
    var keep = false

    func validate() throws {
        guard (1...100_000).contains(devices) else { throw ValidationError("--devices must be from 1 to 100000.") }
        if thing != nil || key != nil, devices != 1 { throw ValidationError("A thing that is there is one device.") }
        if mqtt != nil, `protocol` != .mqtt { throw ValidationError("--mqtt needs --protocol mqtt.") }
        if key != nil, thing == nil, channel == nil { throw ValidationError("--key needs --channel or --thing.") }
    }

    /// nil: over HTTP, through the front door.
    func mqttServer(_ context: CommandContext) throws(CommandFailure) -> MQTTAddress? {
        guard `protocol` == .mqtt else { return nil }
        return try mqtt.map { text throws(CommandFailure) in try MQTTAddress(text) }
            ?? MQTTAddress(beside: context.client.address)
    }

    /// nil where things are to be made.
    func device(_ context: CommandContext) async throws -> Fleet.Device? {
        guard thing != nil || key != nil else { return nil }
        let key = try context.requiredKey(key, thing: thing)
        guard let thing else { return Fleet.Device(thing: nil, key: key) }
        return Fleet.Device(thing: try await context.thing(thing), key: key)
    }
}

/// By which protocol simulated devices send.
enum SendingProtocol: String, ExpressibleByArgument, CaseIterable {
    case http, mqtt
}
