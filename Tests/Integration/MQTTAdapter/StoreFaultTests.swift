// SPDX-License-Identifier: Apache-2.0
import Core
import MQTTAdapter
import Messaging
import NIOCore
import TestKit
import Testing

import struct Foundation.Data
import class Foundation.FileManager
import struct Foundation.URL

/// The disk under the store of sessions is full, fails or hangs: what depends on it waits or is told to come back, everything else goes on, and when there is
/// room again nothing that was acknowledged is missing.
@Suite(.serialized) struct StoreFaultTests {
    enum Fault: CaseIterable, Sendable {
        case fullDisk, failingSync, hangingSync
    }

    private static let settings = ["connect-timeout-milliseconds": "4000"]

    @Test(arguments: Fault.allCases)
    func whatDoesNotNeedTheStoreGoesOn(fault: Fault) async throws {
        let shim = try await FaultShim()
        // Where nobody may mount, writes that would let a file grow fail instead.
        let disk = fault == .fullDisk ? try await SmallDisk.mount(megabytes: 8) : nil
        var launch = MQTTLaunch(through: disk?.launcher ?? [], environment: shim.environment)
        launch.storePath = disk.map { $0.path + "/sessions.sqlite" }
        func begin() throws {
            switch fault {
            case .fullDisk: if let disk { try disk.fill() } else { try shim.begin(.noSpace) }
            case .failingSync: try shim.begin(.failingSync)
            case .hangingSync: try shim.begin(.hangingSync)
            }
        }
        func end() throws { if let disk { try disk.empty() } else { try shim.end() } }

        try await withMQTT(Self.settings, launch: launch) { stack in
            let sleeper = try await stack.client(stack.things.listener, "sleeper", expiry: 3_600)
            try await sleeper.subscribe(stack.topic("#"))
            try await sleeper.disconnect()
            let kept = try await stack.client(stack.things.publisher, "kept", expiry: 3_600)
            let clean = try await stack.client(stack.things.publisher, "clean")
            let control = try await stack.client(stack.things.listener, "control")
            try await control.subscribe(stack.topic("#"))
            var published: [String] = []
            func publish(_ text: String, _ qos: QualityOfService) async throws {
                try await send(text, on: stack.topic("t"), qos, by: clean)
                let taken = try await takeText(by: control)
                #expect(taken == text)
                published.append(text)
            }
            for round in 0..<2 {
                try begin()
                let filler = String(repeating: "x", count: 20_000)
                let failures = try await stack.metric("martlet_mqtt_store_failures_total")
                for number in 0..<20 { try await publish("\(round) \(number) \(filler)", .atLeastOnce) }
                for number in 20..<40 { try await publish("\(round) \(number)", .exactlyOnce) }
                // [MQTT-3.1.4-2]: a session that would have to be kept is not promised.
                for version in ProtocolVersion.allCases {
                    let refused = try await MQTTClient.connect(port: stack.port, version: version)
                    let connect = stack.connect(
                        stack.things.publisher, "new", version: version, cleanStart: false, expiry: 3_600)
                    try await refused.send(.connect(connect))
                    guard case .connAck(let refusal) = try await refused.next() else { throw MQTTClient.Closed() }
                    #expect(refusal.reason == .serverUnavailable)
                    try await refused.waitUntilClosed()
                }
                #expect(try await stack.metric(#"martlet_mqtt_refused_total{reason="store-unavailable"}"#) > 0)
                if fault != .hangingSync {
                    #expect(try await stack.metric("martlet_mqtt_store_failures_total") > failures)
                }
                // One whose session is kept waits with QoS 2, and only with that.
                try await kept.publish(stack.topic("kept"), "waits \(round)", qos: .exactlyOnce, identifier: 9)
                try await kept.send(.pingRequest)
                #expect(try await kept.next() == .pingResponse)
                try await publish("\(round) more", .exactlyOnce)
                try end()
                #expect(try await kept.next() == .pubRec(Acknowledgement(packetIdentifier: 9)))
                try await kept.send(.pubRel(Acknowledgement(packetIdentifier: 9)))
                #expect(try await kept.next() == .pubComp(Acknowledgement(packetIdentifier: 9)))
                let taken = try await takeText(by: control)
                #expect(taken == "waits \(round)")
                published.append("waits \(round)")
            }
            try await eventually("sessions are kept again") {
                let client = try? await stack.client(stack.things.publisher, "new", expiry: 3_600)
                client?.close()
                return client != nil
            }
            await stack.kill()
            try await stack.startAgain()
            let again = try await stack.client(stack.things.listener, "sleeper", cleanStart: false, expiry: 3_600)
            #expect(again.isSessionPresent)
            var received: [String] = []
            while received.count < published.count { received.append(try await takeText(by: again)) }
            // [MQTT-4.6.0-6]: in order by QoS.
            for isLong in [true, false] {
                let sent = published.filter { ($0.count > 1_000) == isLong }.map { $0.prefix(20) }
                let came = received.filter { ($0.count > 1_000) == isLong }.map { $0.prefix(20) }
                #expect(came == sent)
            }
        }
    }

    /// What waits for the store is bounded in bytes: the stream is not followed on meanwhile, and nothing of it is lost.
    @Test func whatWaitsForAFailingStoreIsBounded() async throws {
        let shim = try await FaultShim()
        let settings = ["session-queue-maximum-bytes": "\(1 << 30)"]
        try await withMQTT(settings, launch: MQTTLaunch(environment: shim.environment)) { stack in
            let sleeper = try await stack.client(stack.things.listener, "sleeper", expiry: 3_600)
            try await sleeper.subscribe(stack.topic("#"), qos: .atLeastOnce)
            try await sleeper.disconnect()
            let before = try await stack.residentBytes()
            try shim.begin(.failingSync)
            let count = 64
            let payload = ByteBuffer(repeating: 0x78, count: 1_000_000)
            for number in 0..<count {
                var numbered = ByteBuffer(string: "\(number) ")
                numbered.writeImmutableBuffer(payload)
                try await stack.publish(
                    RawMessage(
                        domain: stack.things.domain, channel: stack.things.channel, subtopic: "",
                        publisher: stack.things.publisher.id, transport: .http, contentType: .octetStream,
                        created: WallClock.system.now(), payload: numbered))
            }
            try await eventually("the store fails") {
                try await stack.metric("martlet_mqtt_store_failures_total") >= 2
            }
            let grown = try await stack.residentBytes() - before
            #expect(grown < 56 << 20, "\(grown) bytes")
            // With the store failing it ends when it is told to.
            try await stack.terminate()
            try shim.end()
            try await stack.startAgain()
            let again = try await stack.client(stack.things.listener, "sleeper", cleanStart: false, expiry: 3_600)
            for number in 0..<8 {
                let taken = try await takeText(by: again).prefix(20)
                try #require(taken.hasPrefix("\(number) "))
            }
        }
    }

    @Test func aStoreThatCannotBeUsedIsNamedAtTheStart() async throws {
        guard let disk = try await SmallDisk.mount(megabytes: 8) else {
            return try await withMQTT { try await refusesBadStores($0) }
        }
        let path = disk.path + "/sessions.sqlite"
        try await withMQTT(launch: MQTTLaunch(through: disk.launcher, storePath: path)) { stack in
            try await makeSession(stack)
            await stack.kill()
            try await remount(disk, "ro")
            try await expectRefusal(stack)
            try await remount(disk, "rw")
            try await stack.startAgain()
            let client = try await stack.client(stack.things.listener, "sleeper", cleanStart: false, expiry: 3_600)
            #expect(client.isSessionPresent)
        }
        try await withMQTT { try await refusesBadStores($0) }
    }

    /// Another adapter's, and one that is damaged.
    private func refusesBadStores(_ stack: MQTTStack) async throws {
        try await makeSession(stack)
        let running = await stack.adapter
        let second = try running.startAgain()
        let status = try await second.waitForExit()
        #expect(status == .exited(1))
        #expect(stack.log.contains("\(stack.storePath): another process uses this session store"))
        await stack.kill()
        let file = URL(fileURLWithPath: stack.storePath)
        let good = try Data(contentsOf: file)
        let log = try Data(contentsOf: URL(fileURLWithPath: stack.storePath + "-wal"))
        var bad = good
        bad.replaceSubrange(0..<min(bad.count, 4_096), with: Data(repeating: 0x41, count: min(bad.count, 4_096)))
        try bad.write(to: file)
        try FileManager.default.removeItem(atPath: stack.storePath + "-wal")
        try await expectRefusal(stack)
        // Put back as it was, it is taken; so is an empty place, with nothing in it.
        try good.write(to: file)
        try log.write(to: URL(fileURLWithPath: stack.storePath + "-wal"))
        try await stack.startAgain()
        let client = try await stack.client(stack.things.listener, "sleeper", cleanStart: false, expiry: 3_600)
        #expect(client.isSessionPresent)
        await stack.kill()
        for suffix in ["", "-wal", "-shm"] {
            try? FileManager.default.removeItem(atPath: stack.storePath + suffix)
        }
        try await stack.startAgain()
        let fresh = try await stack.client(stack.things.listener, "sleeper", cleanStart: false, expiry: 3_600)
        #expect(!fresh.isSessionPresent)
    }

    private func makeSession(_ stack: MQTTStack) async throws {
        let client = try await stack.client(stack.things.listener, "sleeper", expiry: 3_600)
        try await client.subscribe(stack.topic("#"))
        client.close()
    }

    /// It does not start, and says which file is the reason.
    private func expectRefusal(_ stack: MQTTStack) async throws {
        let process = try await stack.adapter.startAgain()
        let status = try await process.waitForExit()
        #expect(status == .exited(1))
        let lines = stack.log.split(separator: "\n").suffix(3).joined(separator: "\n")
        #expect(lines.contains(stack.storePath), "\(lines)")
    }

    private func remount(_ disk: SmallDisk, _ mode: String) async throws {
        let command = disk.launcher + [try Executables.system("mount"), "-o", "remount,\(mode)", disk.path]
        let directory = try TemporaryDirectory("remount")
        let process = try ServiceProcess(
            program: command[0], arguments: Array(command.dropFirst()), log: directory.file("log"))
        let status = try await process.waitForExit()
        #expect(status == .exited(0), "\(process.log)")
    }
}
