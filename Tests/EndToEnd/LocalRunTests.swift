// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestKit
import Testing

/// The first of the two commands: everything starts, the README's tour works, what dies comes back, everything stops.
@Suite(.serialized) struct LocalRunTests {
    @Test func tourOfTheReadmeWorksAsPasted() async throws {
        let run = try LocalRun()
        let process = try await run.start()
        let output = try await Tour.paste(environment: run.environment, directory: run.data)
        // connect, publish, disconnect print a status each
        #expect(output.contains("\n202\n"), "\(output)")
        #expect(output.contains("71.5"), "\(output)")
        #expect(output.contains("182000"), "\(output)")
        #expect(output.contains(#""status": 403"#), "\(output)")
        #expect(!output.contains("curl:"), "\(output)")
        // curl has followed the channel, from its beginning.
        #expect(output.contains(#"data: {"type":"message","sequence":"#), "\(output)")
        #expect(output.contains("counts and sums agree"), "\(output)")
        #expect(output.contains("device-1:humidity [%RH]  300 values"), "\(output)")
        #expect(output.contains("\nHTTP/2 200\n"), "\(output)")
        // What MQTT brought, to a subscriber and into the database.
        #expect(output.contains("/messages/hall-3 [{"), "\(output)")
        #expect(output.contains("\n72.25\n"), "\(output)")
        // What CoAP brought, and to an observer what MQTT did.
        #expect(output.contains(#""v":73.25}]"#) && output.contains(#""v":74.75}]"#), "\(output)")
        #expect(output.contains("by a key") && output.contains("        └── hall-4"), "\(output)")
        #expect(!output.contains("martlet: "), "\(output)")

        try everythingMayOpenEnough(run)
        try await documentsAreThereToBrowse(run)
        try await bothWaysThroughTheFrontDoor(run)
        try await killsComeBack(run, process)
        try await delaysGrow(run, process)
        process.signal(SIGINT)
        #expect(try await process.waitForExit(deadline: .seconds(60)) == .exited(130))
        try await eventually("nothing is left running", deadline: .seconds(20)) { run.processes().isEmpty }
    }

    private struct FrontDoor: Decodable { let openapi: [String] }
    private struct Document: Decodable { let openapi: String }

    private func documentsAreThereToBrowse(_ run: LocalRun) async throws {
        let front = HTTPClient(port: run.port)
        for (path, type) in [
            ("/docs/", "text/html"), ("/docs/docs.css", "text/css"), ("/docs/docs.js", "text/javascript"),
        ] {
            let answer = try await front.get(path)
            #expect(answer.status == 200 && answer.headers["content-type"] == type, "\(path): \(answer)")
            #expect(answer.headers["content-security-policy"]?.contains("script-src 'self';") == true)
        }
        let addresses = try await front.get("/").json(FrontDoor.self).openapi
        #expect(addresses.count == 6)
        for address in addresses {
            let answer = try await front.get(address)
            #expect(answer.status == 200, "\(address)")
            #expect(try answer.json(Document.self).openapi.hasPrefix("3.1"))
        }
    }

    private struct Token: Decodable {
        enum CodingKeys: String, CodingKey { case accessToken = "access_token" }
        let accessToken: String
    }
    private struct Created: Decodable {
        struct Credentials: Decodable { let secret: String? }
        let id: String
        let credentials: Credentials?
    }

    /// A WebSocket and a stream of events through nginx: what is sent on the one arrives on both.
    private func bothWaysThroughTheFrontDoor(_ run: LocalRun) async throws {
        var front = HTTPClient(port: run.port)
        let secret = try String(contentsOfFile: run.data.file("secrets/admin-password"), encoding: .utf8)
        let login = [
            "identity": "admin@example.com", "secret": secret.trimmingCharacters(in: .whitespacesAndNewlines),
        ]
        let token = try await front.post("/users/tokens/issue", json: login).json(Token.self).accessToken
        front.headers["Authorization"] = "Bearer \(token)"
        let thing = try await front.post("/things", json: ["name": "both ways"]).json(Created.self)
        let channel = try await front.post("/channels", json: ["name": "both ways", "route": "both-ways"]).json(
            Created.self
        ).id
        let pair = ["thing_ids": [thing.id], "channel_ids": [channel]]
        #expect(try await front.post("/connect", json: pair).status < 300)
        let key = try #require(thing.credentials?.secret)

        let path = "/channels/\(channel)/messages"
        let (socket, events) = try await wire(run.port) { port in
            (
                try WebSocketClient(
                    port: port, path: path, fields: ["Authorization: Thing \(key)"], subprotocol: "martlet.v1+json"),
                try EventClient(port: port, path: path, fields: ["Authorization: Bearer \(token)"])
            )
        }
        #expect(socket.response.status == 101)
        #expect(events.response.status == 200)
        let (frames, event) = try await wire((socket, events)) { clients in
            let (socket, events) = clients
            let open = try socket.receive()
            try socket.send(#"{"id":"front","payload":[{"n":"t","v":1}]}"#)
            return ([open, try socket.receive(), try socket.receive()], try events.next())
        }
        #expect(frames.map { $0.member("type") }.contains("accepted"))
        #expect(frames.map { $0.member("type") }.contains("message"))
        #expect(event?.data.hasSuffix(#""payload":[{"n":"t","v":1}]}"#) == true)
        try await liveThroughTLS(run, channel: channel, key: key)
        try await storedThroughTheFrontDoor(front, channel: channel, thing: thing.id, key: key)
    }

    /// Whatever ends again and again is started again more and more rarely.
    private func delaysGrow(_ run: LocalRun, _ process: ServiceProcess) async throws {
        var killed: Int32?
        for delay in ["0.2", "0.4", "0.8", "1.6"] {
            try await process.wait("journal runs", deadline: .seconds(60)) {
                guard let now = run.processIdentifier(of: "journal"), now != killed else { return false }
                killed = now
                return true
            }
            kill(try #require(killed), SIGKILL)
            try await process.waitForLog("journal ended: starting it again in \(delay) s;", deadline: .seconds(60))
        }
    }

    private func killsComeBack(_ run: LocalRun, _ process: ServiceProcess) async throws {
        let front = HTTPClient(port: run.port)
        for service in ["things", "bus", "http-adapter", "nginx"] {
            let before = try #require(run.processIdentifier(of: service), "\(service) runs")
            kill(before, SIGKILL)
            try await process.wait("\(service) comes back", deadline: .seconds(60)) {
                guard let now = run.processIdentifier(of: service), now != before else { return false }
                return try await healthy(front)
            }
        }
    }

    private func healthy(_ front: HTTPClient) async throws -> Bool {
        for service in ["users", "things", "journal", "http-adapter", "reader-postgres"] {
            guard (try? await front.get("/health/\(service)"))?.status == 200 else { return false }
        }
        return true
    }

    @Test func killedRunLeavesNothingBehindAndStartsAgainOnItsStaleFiles() async throws {
        let run = try LocalRun()
        let first = try await run.start()
        await first.kill()
        try await eventually("its children ended with it", deadline: .seconds(60)) { run.processes().isEmpty }

        let second = try await run.start()
        // While it runs, a second one on the same data is refused with a reason.
        let log = run.data.file("third.log")
        let third = try ServiceProcess(
            program: Repository.file("deploy/local/run"), arguments: ["--binaries", Executables.directory],
            environment: run.environment, log: log)
        #expect(try await third.waitForExit() == .exited(1))
        #expect(third.log.contains("already running"))
        second.signal(SIGTERM)
        #expect(try await second.waitForExit() == .exited(143))
        try await eventually("nothing is left running", deadline: .seconds(20)) { run.processes().isEmpty }
    }

    @Test func aPortThatSomebodyElseHasIsNamedAtOnce() async throws {
        let run = try LocalRun()
        let port = try #require(run.environment["MARTLET_READER_POSTGRES_HTTP_PORT"])
        let occupant = try Occupant(port: #require(UInt16(port)))
        defer { occupant.leave() }
        let process = try ServiceProcess(
            program: Repository.file("deploy/local/run"), arguments: ["--binaries", Executables.directory],
            environment: run.environment, log: run.data.file("run.log"))
        #expect(try await process.waitForExit() == .exited(1))
        #expect(process.log.contains("port \(port) is in use"), "\(process.log)")
        #expect(process.log.contains("MARTLET_READER_POSTGRES_HTTP_PORT"), "\(process.log)")
        #expect(run.processes().isEmpty)
    }

    /// As an ordinary user, when the tests run as root (otherwise every other test here shows it).
    @Test func worksAsAnOrdinaryUser() async throws {
        guard geteuid() == 0 else { return }
        let run = try LocalRun()
        let nobody = try #require(getpwnam("nobody")).pointee
        #expect(chown(run.data.path, nobody.pw_uid, nobody.pw_gid) == 0)
        let process = try await run.start(as: "nobody")
        let output = try await Tour.paste(environment: run.environment, directory: run.data)
        #expect(output.contains("71.5"), "\(output)")
        process.signal(SIGINT)
        #expect(try await process.waitForExit(deadline: .seconds(60)) == .exited(130))
        try await eventually("nothing is left running", deadline: .seconds(20)) { run.processes().isEmpty }
    }
}

/// A program that listens where a service should.
private struct Occupant {
    private let descriptor: Int32

    init(port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(bound == 0 && listen(descriptor, 8) == 0)
    }

    func leave() { close(descriptor) }
}
