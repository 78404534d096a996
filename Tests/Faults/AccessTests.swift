// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import TestKit
import Testing

/// What is taken back is refused within a second of the API's answer, through all processes, while requests go on.
@Suite(.serialized) struct AccessTests {
    private struct Rotated: Decodable {
        struct Credentials: Decodable { let secret: String }
        let credentials: Credentials
    }

    @Test func changedRightsCountWithinASecond() async throws {
        let stack = try await Stack.start()
        let token = try await stack.adminToken()
        let device = try await stack.makeDevice(token: token)
        let things = stack.client("things", headers: ["Authorization": "Bearer \(token)"])
        let probe = publishing(stack, device, key: device.key)
        try await probe.waitFor(202)

        let thing = "/things/\(device.thing)"
        let channel = "/channels/\(device.channel)"
        let pair = ["thing_ids": [device.thing], "channel_ids": [device.channel]]
        let publishing = pair.merging(["types": ["publish"]]) { $1 }
        try await expectRefusal(probe, 401, "thing disabled") {
            try await Stack.expect(200, things.send("POST", thing + "/disable"), "disable")
        }
        try await expectAcceptance(probe) {
            try await Stack.expect(200, things.send("POST", thing + "/enable"), "enable")
        }

        try await expectRefusal(probe, 404, "channel disabled") {
            try await Stack.expect(200, things.send("POST", channel + "/disable"), "disable")
        }
        try await expectAcceptance(probe) {
            try await Stack.expect(200, things.send("POST", channel + "/enable"), "enable")
        }

        try await expectRefusal(probe, 403, "right to publish taken") {
            try await Stack.expect(204, things.post("/disconnect", json: publishing), "disconnect")
        }
        try await expectAcceptance(probe) {
            try await Stack.expect(200, things.post("/connect", json: pair), "connect")
        }

        try await expectRefusal(probe, 403, "channel disconnected") {
            try await Stack.expect(204, things.post("/disconnect", json: pair), "disconnect")
        }
        try await expectAcceptance(probe) {
            try await Stack.expect(200, things.post("/connect", json: pair), "connect")
        }

        var key = ""
        try await expectRefusal(probe, 401, "key rotated") {
            let answer = try await things.send(
                "PATCH", thing + "/secret", headers: ["Content-Type": "application/json"], body: Array("{}".utf8))
            key = try Stack.expect(200, answer, "rotate").json(Rotated.self).credentials.secret
        }
        probe.stop()

        let rotated = self.publishing(stack, device, key: key)
        try await rotated.waitFor(202)
        try await expectRefusal(rotated, 401, "thing deleted") {
            try await Stack.expect(204, things.send("DELETE", thing), "delete")
        }
        rotated.stop()
        try await stack.stop()
    }

    @Test func revokedSessionMayNotReadWithinASecond() async throws {
        let stack = try await Stack.start()
        let device = try await stack.makeDevice(token: stack.adminToken())
        let token = try await stack.adminToken()
        let bearer = [("Authorization", "Bearer \(token)")]
        let path = "/channels/\(device.channel)/messages"
        let reading = AccessProbe(port: stack.ports["reader-postgres"] ?? 0, "GET", path, headers: bearer)
        let listing = AccessProbe(port: stack.ports["things"] ?? 0, "GET", "/things", headers: bearer)
        try await reading.waitFor(200)
        try await listing.waitFor(200)
        var answered = ContinuousClock.now
        try await expectRefusal(reading, 401, "session revoked") {
            let users = stack.client("users", headers: ["Authorization": "Bearer \(token)"])
            try await Stack.expect(204, users.send("POST", "/users/tokens/revoke"), "revoke")
            answered = .now
        }
        #expect(Set(listing.statuses(since: answered + .seconds(1))) == [401])
        reading.stop()
        listing.stop()
        // The key of the device, and another session, have nothing to do with it.
        let reader = stack.client("reader-postgres", headers: device.authorization)
        #expect(try await reader.get(path).status == 200)
        let other = try await stack.adminToken()
        #expect(
            try await stack.client("reader-postgres", headers: ["Authorization": "Bearer \(other)"]).get(path).status
                == 200)
        try await stack.stop()
    }

    @Test func theThingsOfAFrozenDomainAreShutOutUntilItIsEnabled() async throws {
        let stack = try await Stack.start()
        let users = stack.client("users", headers: ["Authorization": "Bearer \(try await stack.adminToken())"])
        let domain = try await stack.makeDomain()
        let device = try await stack.makeDevice(token: stack.adminToken(domain: domain))
        // The neighbour's domain has nothing to do with it.
        let other = publishing(stack, try await stack.makeDevice(token: stack.adminToken()))
        let probe = publishing(stack, device)
        try await probe.waitFor(202)
        for change in ["disable", "freeze"] {
            try await expectRefusal(probe, 403, change) {
                try await Stack.expect(200, users.send("POST", "/domains/\(domain)/\(change)"), change)
            }
            let answer = try await stack.client("http-adapter").post(
                device.publishPath, text: #"[{"n":"x","v":1}]"#,
                headers: device.authorization.merging(["Content-Type": "application/senml+json"]) { $1 })
            #expect(answer.text.contains("domain-disabled"), "\(answer.text)")
            let reader = stack.client("reader-postgres", headers: device.authorization)
            #expect(try await reader.get(device.publishPath).status == 403)
            try await expectAcceptance(probe) {
                try await Stack.expect(200, users.send("POST", "/domains/\(domain)/enable"), "enable")
            }
        }
        try await other.waitFor(202)
        other.stop()

        // Frozen with `things` away: counts as soon as it is back, and after every restart, also with `users` away.
        try await stack.process("things").kill()
        try await Stack.expect(200, users.send("POST", "/domains/\(domain)/freeze"), "freeze")
        try stack.launch("things")
        try await stack.waitUntilHealthy(["things"])
        try await probe.waitFor(403)
        try await stack.process("users").kill()
        for service in ["things", "http-adapter", "bus"] {
            try await stack.killAndRestart(service)
            try await stack.waitUntilHealthy(["bus", "things", "http-adapter"])
            let begin = ContinuousClock.now
            try await probe.waitFor(403)
            #expect(!probe.statuses(since: begin).contains(202), "after \(service)")
        }
        try stack.launch("users")
        try await stack.waitUntilHealthy()
        try await expectAcceptance(probe) {
            try await Stack.expect(200, users.send("POST", "/domains/\(domain)/enable"), "enable")
        }
        probe.stop()
        try await stack.stop()
    }

    private func publishing(_ stack: Stack, _ device: Stack.Device) -> AccessProbe {
        publishing(stack, device, key: device.key)
    }

    private func publishing(_ stack: Stack, _ device: Stack.Device, key: String) -> AccessProbe {
        AccessProbe(
            port: stack.ports["http-adapter"] ?? 0, "POST", device.publishPath,
            headers: [("Authorization", "Thing \(key)"), ("Content-Type", "application/senml+json")],
            body: #"[{"n":"count","v":1}]"#)
    }

    /// Makes a change; whatever is sent a second after its answer, or later, is refused.
    private func expectRefusal(
        _ probe: AccessProbe, _ status: Int, _ what: String, sourceLocation: SourceLocation = #_sourceLocation,
        _ change: () async throws -> Void
    ) async throws {
        try await change()
        let limit = ContinuousClock.now + .seconds(1)
        try await eventually("enough was sent after \(what)") { probe.statuses(since: limit).count >= 20 }
        let late = probe.statuses(since: limit)
        #expect(
            late.filter { $0 == 202 || $0 == 200 }.isEmpty, "\(what): still accepted", sourceLocation: sourceLocation)
        #expect(Set(late) == [status], "\(what)", sourceLocation: sourceLocation)
    }

    private func expectAcceptance(_ probe: AccessProbe, _ change: () async throws -> Void) async throws {
        try await change()
        try await probe.waitFor(202)
    }
}
