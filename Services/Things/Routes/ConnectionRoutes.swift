// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Messaging

/// Which things with which channels: arrays (the first Mainflux dialect and the later ones) or one of each (the second).
struct ConnectionBody: Decodable, Sendable {
    var thingIDs: [ThingID]?
    var clientIDs: [ThingID]?
    var channelIDs: [String]?
    var thingID: ThingID?
    var channelID: String?
    /// `publish`, `subscribe`; absent: both.
    var types: [String]?

    private enum CodingKeys: String, CodingKey {
        case types
        case thingIDs = "thing_ids"
        case clientIDs = "client_ids"
        case channelIDs = "channel_ids"
        case thingID = "thing_id"
        case channelID = "channel_id"
    }

    var things: [ThingID] { (thingIDs ?? clientIDs ?? []) + (thingID.map { [$0] } ?? []) }

    func channels() throws(ServiceError) -> [ChannelReference] {
        try ((channelIDs ?? []) + (channelID.map { [$0] } ?? [])).map { text throws(ServiceError) in
            guard let reference = ChannelReference(text) else { throw ThingsRefusal.unknownChannel }
            return reference
        }
    }

    /// The form with one of each is the second dialect's, whose clients expect 201 and 204 where the first's expect 200.
    var isSingle: Bool { thingID != nil || channelID != nil }
}

/// Directions for a connection whose ends are in the path.
struct DirectionsBody: Decodable, Sendable {
    var types: [String]?
}

/// `/connect`, `/disconnect`, and their forms under `/channels`.
struct ConnectionRoutes: Sendable {
    let directory: Directory

    func add(to routes: RouteTable) {
        addLists(to: routes)
        addPairs(to: routes)
    }

    private func addLists(to routes: RouteTable) {
        routes.post(
            "/connect",
            Operation(
                "Connect things with channels: each with each; 201 for the form with `thing_id` and `channel_id`",
                tag: "connections", requestBody: ThingsSchemas.connection, otherSuccesses: [201],
                errors: [404, 409, 422])
        ) { [directory] request, context in
            let actor = try context.person()
            let body = try await JSONBody.decode(ConnectionBody.self, from: request)
            try await directory.connect(
                things: body.things, channels: try body.channels(), Directions(words: body.types), by: actor)
            return Response(status: body.isSingle ? .created : .ok)
        }
        let disconnect = Operation(
            "Take connections, or one of their directions, back: refused at once, live sessions end",
            tag: "connections", requestBody: ThingsSchemas.connection, errors: [404, 422])
        routes.put("/disconnect", disconnect) { [directory] request, context in
            try await Self.disconnect(directory, request, context)
            return Response(status: .ok)
        }
        routes.post("/disconnect", Self.with(status: 204, disconnect)) { [directory] request, context in
            try await Self.disconnect(directory, request, context)
            return Response(status: .noContent)
        }
    }

    private static func with(status: Int, _ operation: Operation) -> Operation {
        var operation = operation
        operation.successStatus = status
        return operation
    }

    private static func disconnect(
        _ directory: Directory, _ request: Request, _ context: ServiceRequestContext
    ) async throws {
        let actor = try context.person()
        let body = try await JSONBody.decode(ConnectionBody.self, from: request)
        try await directory.disconnect(
            things: body.things, channels: try body.channels(), Directions(words: body.types), by: actor)
    }

    private func addPairs(to routes: RouteTable) {
        let path = "/channels/:id/things/:thing"
        routes.put(
            path, Operation("Connect a thing with a channel, both ways", tag: "connections", errors: [404, 409])
        ) { [directory] _, context in
            let actor = try context.person()
            try await directory.connect(
                things: [context.thing("thing")], channels: [context.channel()], .both, by: actor)
            return Response(status: .ok)
        }
        routes.delete(
            path, Operation("Disconnect a thing from a channel", tag: "connections", successStatus: 204, errors: [404])
        ) { [directory] _, context in
            let actor = try context.person()
            try await directory.disconnect(
                things: [context.thing("thing")], channels: [context.channel()], .both, by: actor)
            return Response(status: .noContent)
        }
        routes.post(
            path + "/connect",
            Operation(
                "Connect a thing with a channel; an optional body holds `types`", tag: "connections",
                successStatus: 201, errors: [404, 409])
        ) { [directory] request, context in
            let actor = try context.person()
            try await directory.connect(
                things: [context.thing("thing")], channels: [context.channel()],
                try await Self.directions(request), by: actor)
            return Response(status: .created)
        }
        routes.post(
            path + "/disconnect",
            Operation(
                "Disconnect a thing from a channel; an optional body holds `types`", tag: "connections",
                successStatus: 204, errors: [404])
        ) { [directory] request, context in
            let actor = try context.person()
            try await directory.disconnect(
                things: [context.thing("thing")], channels: [context.channel()],
                try await Self.directions(request), by: actor)
            return Response(status: .noContent)
        }
    }

    /// A body is there when its type is said.
    private static func directions(_ request: Request) async throws -> Directions {
        guard request.headers[.contentType] != nil else { return .both }
        return try Directions(words: await JSONBody.decode(DirectionsBody.self, from: request).types)
    }
}
