// SPDX-License-Identifier: Apache-2.0

extension Fleet {
    /// `POST /things/bulk` takes as many at once.
    private static let bulkSize = 1_000

    /// Makes what a simulation needs and was not given.
    ///
    /// - Parameters:
    ///   - channel: identifier, route or name of one that is there; nil makes one.
    ///   - device: one that is there; nil makes `count` things.
    static func make(
        _ context: CommandContext, channel: String?, device: Device?, count: Int
    ) async throws -> Fleet {
        var fleet = Fleet(devices: [], channel: "")
        do {
            if let channel {
                fleet.channel =
                    device == nil ? try await context.channel(channel) : try await context.channelForThing(channel)
            } else {
                let body = JSONValue.document([("name", .string("simulation")), ("tags", .strings(["simulated"]))])
                let answer = try await context.person(APIRequest(.post, "/channels", json: body)).json()
                fleet.channel = answer["id"]?.text ?? ""
                fleet.createdChannel = true
            }
            if let device {
                fleet.devices = [device]
                if fleet.createdChannel, let thing = device.thing { try await fleet.connect([thing], context) }
            } else {
                try await fleet.makeThings(count, context)
            }
            return fleet
        } catch {
            await fleet.remove(context)
            throw error
        }
    }

    private mutating func makeThings(_ count: Int, _ context: CommandContext) async throws {
        while devices.count < count {
            let first = devices.count + 1
            let drafts = (first...min(count, first + Self.bulkSize - 1)).map { number in
                JSONValue.document([("name", .string("simulated-\(number)")), ("tags", .strings(["simulated"]))])
            }
            var request = APIRequest(.post, "/things/bulk", json: .array(drafts))
            request.timeoutSeconds = 120
            let things = try await context.person(request).json()["things"]?.elements ?? []
            let made = things.compactMap { thing in
                thing["credentials"]?["secret"]?.text.map { Device(thing: thing["id"]?.text, key: $0) }
            }
            guard made.count == drafts.count else {
                throw CommandFailure(.refused, "the server made \(made.count) of \(drafts.count) things")
            }
            devices += made
            let identifiers = made.compactMap(\.thing)
            createdThings += identifiers
            try await connect(identifiers, context)
        }
    }

    private func connect(_ things: [String], _ context: CommandContext) async throws {
        let body = JSONValue.document([("thing_ids", .strings(things)), ("channel_ids", .strings([channel]))])
        var request = APIRequest(.post, "/connect", json: body)
        request.timeoutSeconds = 120
        try await context.person(request)
    }

    /// Takes away what was made. What cannot be taken away is told: it would stay unnoticed otherwise.
    func remove(_ context: CommandContext) async {
        var left: [String] = []
        for thing in createdThings where await !Self.removed("/things/\(thing)", context) { left.append(thing) }
        if createdChannel, await !Self.removed("/channels/\(channel)", context) { left.append(channel) }
        if !left.isEmpty { context.console.note("Not removed: \(left.joined(separator: ", "))", .warning) }
    }

    private static func removed(_ path: String, _ context: CommandContext) async -> Bool {
        do {
            try await context.person(APIRequest(.delete, path))
            return true
        } catch {
            return (error as? CommandFailure)?.httpStatus == 404
        }
    }
}
