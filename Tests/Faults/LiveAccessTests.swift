// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import TestKit
import Testing

/// What is taken back ends open live connections within a second of the API's answer, through all processes.
@Suite(.serialized) struct LiveAccessTests {
    private struct Token: Decodable {
        enum CodingKeys: String, CodingKey { case accessToken = "access_token" }
        let accessToken: String
    }

    @Test func aThingsConnectionsEndWithTheirRight() async throws {
        let stack = try await Stack.start()
        let token = try await stack.adminToken()
        let things = stack.client("things", headers: ["Authorization": "Bearer \(token)"])
        let changes: [(name: String, reason: String, change: (Stack.Device) async throws -> Void)] = [
            (
                "thing disabled", "unknown-key",
                { try await Stack.expect(200, things.send("POST", "/things/\($0.thing)/disable"), "disable") }
            ),
            (
                "key rotated", "unknown-key",
                {
                    let answer = try await things.send(
                        "PATCH", "/things/\($0.thing)/secret", headers: ["Content-Type": "application/json"],
                        body: Array("{}".utf8))
                    try Stack.expect(200, answer, "rotate")
                }
            ),
            (
                "channel disabled", "unknown-channel",
                { try await Stack.expect(200, things.send("POST", "/channels/\($0.channel)/disable"), "disable") }
            ),
            (
                "channel removed", "unknown-channel",
                { try await Stack.expect(204, things.send("DELETE", "/channels/\($0.channel)"), "delete") }
            ),
            (
                "disconnected", "disconnected-from-channel",
                {
                    let pair = ["thing_ids": [$0.thing], "channel_ids": [$0.channel]]
                    try await Stack.expect(204, things.post("/disconnect", json: pair), "disconnect")
                }
            ),
        ]
        for (name, reason, change) in changes {
            let device = try await stack.makeDevice(token: token)
            let fields = ["Authorization: Thing \(device.key)"]
            try await expectEnd(stack, device.publishPath, fields, name, [reason]) { try await change(device) }
        }
        try await stack.stop()
    }

    @Test func aThingsConnectionsEndWithItsDomain() async throws {
        let stack = try await Stack.start()
        let domain = try await stack.makeDomain()
        let device = try await stack.makeDevice(token: stack.adminToken(domain: domain))
        let fields = ["Authorization: Thing \(device.key)"]
        let users = stack.client("users", headers: ["Authorization": "Bearer \(try await stack.adminToken())"])
        for change in ["disable", "freeze"] {
            try await expectEnd(stack, device.publishPath, fields, change, ["domain-disabled"]) {
                try await Stack.expect(200, users.send("POST", "/domains/\(domain)/\(change)"), change)
            }
            // Opened again, it is refused; enabled again, the next round opens.
            #expect(try await open(stack, device.publishPath, fields).events.response.status == 403)
            try await Stack.expect(200, users.send("POST", "/domains/\(domain)/enable"), "enable")
        }
        try await stack.stop()
    }

    @Test func aPersonsConnectionsEndWithTheirSession() async throws {
        let stack = try await Stack.start()
        let admin = try await stack.adminToken()
        let users = stack.client("users", headers: ["Authorization": "Bearer \(admin)"])
        let domain = try await stack.makeDomain()
        let device = try await stack.makeDevice(token: stack.adminToken(domain: domain))
        let path = device.publishPath

        // Of another domain, it is as if there were no such channel.
        let foreign = try await open(stack, path, ["Authorization: Bearer \(admin)"])
        #expect(foreign.events.response.status == 404)

        let revoked = try await stack.adminToken(domain: domain)
        try await expectEnd(stack, path, ["Authorization: Bearer \(revoked)"], "session revoked", ["session-ended"]) {
            let own = stack.client("users", headers: ["Authorization": "Bearer \(revoked)"])
            try await Stack.expect(204, own.send("POST", "/users/tokens/revoke"), "revoke")
        }
        let thing = try await stack.adminToken(domain: domain)
        let things = stack.client("things", headers: ["Authorization": "Bearer \(thing)"])
        try await expectEnd(stack, path, ["Authorization: Bearer \(thing)"], "channel disabled", ["unknown-channel"]) {
            try await Stack.expect(200, things.send("POST", "/channels/\(device.channel)/disable"), "disable")
        }
        try await Stack.expect(200, things.send("POST", "/channels/\(device.channel)/enable"), "enable")
        try await keysEndToo(stack, domain: domain, path: path)
        let frozen = try await stack.adminToken(domain: domain)
        try await expectEnd(stack, path, ["Authorization: Bearer \(frozen)"], "domain frozen", ["session-ended"]) {
            try await Stack.expect(200, users.send("POST", "/domains/\(domain)/freeze"), "freeze")
        }
        try await stack.stop()
    }

    private struct Key: Decodable {
        let id: String
        let secret: String
    }

    /// A key for programs that may read messages and nothing else: revoked, narrowed, and with its domain frozen.
    private func keysEndToo(_ stack: Stack, domain: String, path: String) async throws {
        let token = try await stack.adminToken(domain: domain)
        let owner = stack.client("users", headers: ["Authorization": "Bearer \(token)"])
        func makeKey() async throws -> Key {
            let scope = #"{"name":"display","domain_id":"\#(domain)","scopes":[{"action":"messages:read"}]}"#
            let answer = try await owner.send(
                "POST", "/pats", headers: ["Content-Type": "application/json"], body: Array(scope.utf8))
            return try Stack.expect(201, answer, "make a key").json(Key.self)
        }
        let revoked = try await makeKey()
        let fields = ["Authorization: Bearer \(revoked.secret)"]
        try await expectEnd(stack, path, fields, "key revoked", ["session-ended"]) {
            try await Stack.expect(204, owner.send("DELETE", "/pats/\(revoked.id)"), "revoke")
        }
        let frozen = try await makeKey()
        try await expectEnd(
            stack, path, ["Authorization: Bearer \(frozen.secret)"], "key of a frozen domain", ["invalid-key"]
        ) {
            let admin = stack.client("users", headers: ["Authorization": "Bearer \(try await stack.adminToken())"])
            try await Stack.expect(200, admin.send("POST", "/domains/\(domain)/freeze"), "freeze")
        }
        let admin = stack.client("users", headers: ["Authorization": "Bearer \(try await stack.adminToken())"])
        try await Stack.expect(200, admin.send("POST", "/domains/\(domain)/enable"), "thaw")
    }

    @Test func aPersonsConnectionsEndWithTheirAccount() async throws {
        let stack = try await Stack.start()
        let domain = try await stack.makeDomain()
        let admin = stack.client("users", headers: ["Authorization": "Bearer \(try await stack.adminToken())"])
        let path = try await stack.makeDevice(token: stack.adminToken(domain: domain)).publishPath
        struct Created: Decodable { let id: String }
        let login = ["identity": "guest@example.com", "secret": "torque wrench 17"]
        let made = try await admin.post("/users", json: ["credentials": login])
        let person = try Stack.expect(201, made, "register").json(Created.self).id
        let membership = #"{"user_ids":["\#(person)"],"role":"viewer"}"#
        let json = ["Content-Type": "application/json"]
        try Stack.expect(
            201, await admin.post("/domains/\(domain)/users/assign", text: membership, headers: json), "assign")
        let answer = try await admin.post(
            "/users/tokens/issue", json: login.merging(["domain_id": domain]) { $1 })
        let token = try Stack.expect(201, answer, "log in").json(Token.self).accessToken
        let own = stack.client("users", headers: ["Authorization": "Bearer \(token)"])
        let scope = #"{"name":"display","domain_id":"\#(domain)","scopes":[{"action":"messages:read"}]}"#
        let key = try Stack.expect(201, await own.post("/pats", text: scope, headers: json), "make a key")
            .json(Key.self).secret
        let reasons: Set<String> = ["session-ended", "invalid-key"]
        try await expectEnd(stack, path, ["Authorization: Bearer \(key)"], "the key of who is removed", reasons) {
            try await expectEnd(stack, path, ["Authorization: Bearer \(token)"], "user removed", ["session-ended"]) {
                try await Stack.expect(204, admin.send("DELETE", "/users/\(person)"), "remove")
            }
        }
        for credential in [key, token] {
            #expect(try await open(stack, path, ["Authorization: Bearer \(credential)"]).events.response.status == 401)
        }
        try await stack.stop()
    }

    private struct Opened: Sendable {
        let events: EventClient
        let socket: WebSocketClient
    }

    private func open(_ stack: Stack, _ path: String, _ fields: [String]) async throws -> Opened {
        let port = stack.ports["http-adapter"] ?? 0
        return try await wire(port) { port in
            Opened(
                events: try EventClient(port: port, path: path, fields: fields),
                socket: try WebSocketClient(port: port, path: path, fields: fields))
        }
    }

    /// Opens both kinds of connection and makes a change; both end, with a reason, within a second of its answer.
    private func expectEnd(
        _ stack: Stack, _ path: String, _ fields: [String], _ what: String, _ reasons: Set<String>,
        sourceLocation: SourceLocation = #_sourceLocation, _ change: () async throws -> Void
    ) async throws {
        var opened = try await open(stack, path, fields)
        // The adapter may still remember that there was no such channel a moment ago.
        try await eventually("\(what): opened") {
            if opened.events.response.status != 200 || opened.socket.response.status != 101 {
                opened = try await open(stack, path, fields)
            }
            return opened.events.response.status == 200 && opened.socket.response.status == 101
        }
        let (events, socket) = (opened.events, opened.socket)
        async let event = wire(events) { client in (try client.next(), ContinuousClock.now) }
        async let close = wire(socket) { client in (try client.receiveClose(), ContinuousClock.now) }
        try await change()
        let limit = ContinuousClock.now + .seconds(1)
        let ((last, lastAt), (frame, frameAt)) = try await (event, close)
        #expect(last?.name == "end", "\(what)", sourceLocation: sourceLocation)
        #expect(
            reasons.contains(last?.member("reason") ?? ""), "\(what): \(last?.data ?? "")",
            sourceLocation: sourceLocation)
        #expect(frame.code == 1008, "\(what)", sourceLocation: sourceLocation)
        #expect(
            reasons.contains { frame.reason.hasPrefix($0) }, "\(what): \(frame.reason)", sourceLocation: sourceLocation)
        #expect(lastAt <= limit, "\(what): the stream ended too late", sourceLocation: sourceLocation)
        #expect(frameAt <= limit, "\(what): the WebSocket ended too late", sourceLocation: sourceLocation)
    }
}
