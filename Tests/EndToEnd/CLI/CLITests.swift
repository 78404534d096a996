// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import TestKit
import Testing

/// What a person does with `martlet`, against the whole product behind its front door.
@Suite(.serialized) struct CLITests {
    private static let password = Stack.adminPassword + "\n"

    private func logIn(_ client: MartletClient) async throws {
        try await client.expect(0, "login", "--identity", Stack.adminEmail, "--password-stdin", input: Self.password)
    }

    private func mode(_ path: String) -> mode_t {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & 0o777 : 0
    }

    @Test func fromLoginToReading() async throws {
        let stack = try await Stack.start()
        let door = try await FrontDoor.start(stack)
        let client = try MartletClient(url: door.url)

        try await loginIsKept(client)
        let (thing, channel, key) = try await makeEntities(client)
        try await messagesGoIn(client, channel: channel)
        try await messagesComeOut(client, stack, channel: channel, thing: thing)
        try await messagesAreSeenLive(client, channel: channel)
        try await refusalsAreExplained(client, thing: thing, channel: channel, key: key)
        try await keysAndSwitches(client, thing: thing, oldKey: key)
        try await profilesStandBesideEachOther(client, url: door.url)
        try await statusTellsWhatIsDown(client, stack, door)
        try await stack.stop()
    }

    private func loginIsKept(_ client: MartletClient) async throws {
        let nobody = try await client.expect(3, "whoami")
        #expect(nobody.errors.contains("martlet login"))
        let wrong = try await client.expect(
            3, "login", "--identity", Stack.adminEmail, "--password-stdin", "--json", input: "wrong password\n")
        #expect(wrong.errors.contains("wrong-credentials"))
        #expect(wrong.output.isEmpty)
        try await logIn(client)
        #expect(mode(client.configuration) == 0o700)
        #expect(mode("\(client.configuration)/profiles/default.json") == 0o600)
        let me = try await client.expect(0, "whoami", "--json").json()
        #expect((me["credentials"] as? [String: Any])?["identity"] as? String == Stack.adminEmail)
        #expect(me["domain_role"] as? String == "admin")

        chmod("\(client.configuration)/profiles/default.json", 0o644)
        let open = try await client.expect(2, "whoami")
        #expect(open.errors.contains("chmod 600"))
        chmod("\(client.configuration)/profiles/default.json", 0o600)
    }

    private func makeEntities(
        _ client: MartletClient
    ) async throws -> (thing: String, channel: String, key: String) {
        let thing = try await client.expect(
            0, "things", "create", "boiler 7", "--tag", "hall-2", "--metadata", #"{"floor": 2}"#, "--json"
        ).json()
        let identifier = try #require(thing["id"] as? String)
        let key = try #require((thing["credentials"] as? [String: Any])?["secret"] as? String)
        let channel = try await client.expect(0, "channels", "create", "temperatures", "--route", "hall-2", "--json")
            .json()
        let channelIdentifier = try #require(channel["id"] as? String)

        let found = try await client.expect(0, "things", "list", "--tag", "hall-2", "--json").json()
        #expect(found["total"] as? Int == 1)
        let table = try await client.expect(0, "things")
        #expect(table.output.contains("boiler 7") && table.output.hasPrefix("ID"))
        #expect(!table.output.contains("\u{1B}"))
        let missing = try await client.expect(2, "things", "create", "x", "--metadata", "[]")
        #expect(missing.errors.contains("JSON object"))
        try await client.expect(0, "connect", "boiler 7", "hall-2")
        let connected = try await client.expect(0, "channels", "things", "temperatures", "--json").json()
        #expect(connected["total"] as? Int == 1)
        return (identifier, channelIdentifier, key)
    }

    private func messagesGoIn(_ client: MartletClient, channel: String) async throws {
        let first = try await client.expect(
            0, "publish", "hall-2/boiler", "temperature=71.5[Cel]", "open=true", "state=idle", "--base-name", "b7:",
            "--time", "2026-01-02T03:04:05Z", "--json"
        ).json()
        #expect((first["sequence"] as? Int ?? 0) > 0)
        #expect(first["channel"] as? String == channel)
        try await client.expect(
            0, "publish", "temperatures", "--file", "-", "--type", "json", input: #"{"strokes": 1824}"#)
        try await client.expect(0, "publish", channel, "--file", "-", "--type", "image/png", input: "no picture")
        let twice = ["publish", "hall-2", "pressure=182000[Pa]", "--idempotency-key", "once", "--json"]
        #expect(try await client.run(twice).json()["replayed"] as? Bool == false)
        #expect(try await client.run(twice).json()["replayed"] as? Bool == true)
        let bad = try await client.expect(1, "publish", "hall-2", "--file", "-", input: "[{}]")
        #expect(bad.errors.contains("senml-"))
    }

    private func messagesComeOut(
        _ client: MartletClient, _ stack: Stack, channel: String, thing: String
    ) async throws {
        try await eventually("four records are stored") {
            try await client.expect(0, "read", "hall-2", "--json").lines().count == 4
        }
        let warm = try await client.expect(0, "read", "hall-2", "--value", ">70", "--to", "2026-02-01", "--json")
            .lines()
        #expect(warm.map { $0["name"] as? String } == ["b7:temperature"])
        #expect(warm.first?["value"] as? Double == 71.5)
        #expect(try await client.expect(0, "read", "hall-2", "--value", "idle", "--json").lines().count == 1)
        let documents = try await client.expect(0, "read", "hall-2", "--format", "json", "--json").lines()
        #expect((documents.first?["payload"] as? [String: Any])?["strokes"] as? Int == 1824)
        #expect(try await client.expect(0, "read", "hall-2", "--format", "blobs", "--json").lines().count == 1)
        let table = try await client.expect(0, "read", "hall-2", "--thing", "boiler 7")
        #expect(table.output.contains("2026-01-02T03:04:05.000Z") && table.output.contains("Cel"))
        let plot = try await client.expect(0, "read", "hall-2", "--plot", "--name", "b7:temperature")
        #expect(
            plot.output.contains("b7:temperature [Cel]")
                && plot.output.unicodeScalars.contains { 0x2801...0x28FF ~= $0.value })

        let trace = try await client.expect(0, "trace", "hall-2", "--at", "2026-01-02T03:04:05Z", "--json").json()
        #expect((trace["database"] as? [String: Any])?["state"] as? String == "found")
        #expect((trace["stored"] as? [Any])?.count == 3)
        #expect((trace["dead_letters"] as? [String: Any])?["state"] as? String == "none")
        try await client.expect(1, "trace", "hall-2", "--at", "1999-01-01")
    }

    private func messagesAreSeenLive(_ client: MartletClient, channel: String) async throws {
        // From the beginning: three messages are there, and one comes while it listens.
        let watch = try client.start(["watch", "hall-2", "--after", "0", "--count", "5", "--json"])
        try await watch.process.wait("four messages are shown") {
            watch.outputSoFar.count { $0 == "\n" } == 4
        }
        let published = try await client.expect(0, "publish", "hall-2/boiler/lid", "open=false", "--json").json()
        let seen = try await watch.finish()
        #expect(seen.status == .exited(0), "\(seen)")
        let messages = try seen.lines()
        #expect(
            messages.compactMap { $0["content_type"] as? String }.prefix(3) == [
                "application/senml+json", "application/json", "image/png",
            ])
        #expect(messages.last?["sequence"] as? Int == published["sequence"] as? Int)
        #expect(messages.last?["subtopic"] as? String == "boiler.lid")

        let filtered = try await client.expect(
            0, "watch", channel, "boiler/#", "--thing", "boiler 7", "--after", "0", "--count", "2")
        #expect(filtered.output.contains("b7:temperature") && filtered.output.contains("71.5"))
        #expect(filtered.output.contains("boiler.lid") && !filtered.output.contains("pressure"))

        // A number leads to the rows.
        let sequences = messages.compactMap { ($0["sequence"] as? Int).map(String.init) }
        for sequence in sequences {
            try await eventually("message \(sequence) is stored") {
                try await client.run(["trace", "hall-2", sequence]).status == .exited(0)
            }
        }
        let trace = try await client.expect(0, "trace", "hall-2", sequences[0], "--json").json()
        #expect((trace["log"] as? [String: Any])?["state"] as? String == "found")
        #expect((trace["database"] as? [String: Any])?["detail"] as? String == "3 of 3 records")
        let absent = try await client.expect(1, "trace", "hall-2", "999999", "--json").json()
        #expect((absent["log"] as? [String: Any])?["state"] as? String == "missing")
    }

    private func refusalsAreExplained(
        _ client: MartletClient, thing: String, channel: String, key: String
    ) async throws {
        try await client.expect(0, "disconnect", "boiler 7", "hall-2", "--publish")
        try await eventually("the right ends") {
            try await client.run(["publish", "hall-2", "x=1"]).status == .exited(1)
        }
        let refused = try await client.expect(1, "publish", "hall-2", "x=1", "--json")
        #expect(refused.errors.contains("publish-not-allowed"))
        // What is left is the other way.
        try await client.expect(0, "read", "hall-2", "--key", key)
        try await client.expect(0, "connect", thing, channel)
        let unknown = try await client.expect(
            3, "publish", channel, "x=1", environment: ["MARTLET_KEY": "not-a-key-of-anything"])
        #expect(unknown.errors.contains("unknown-key"))
        try await client.expect(2, "publish", "hall-2", "x")
        try await client.expect(2, "nonsense")
        try await client.expect(2, "read", "hall-2", "--limit", "0", "--json")
        #expect(try await client.expect(1, "things", "view", "no such thing").errors.contains("there is no thing"))
        let nowhere = "http://127.0.0.1:\(try FreePort.next())"
        try await client.expect(4, "status", "--url", nowhere)
        // The login is another server's: it is not even tried there.
        #expect(try await client.expect(3, "things", "--url", nowhere).errors.contains("is logged in at"))
    }

    private func keysAndSwitches(_ client: MartletClient, thing: String, oldKey: String) async throws {
        try await client.expect(0, "things", "rotate-key", "boiler 7")
        try await eventually("the old key ends") {
            try await client.run(["publish", "hall-2", "x=1"], environment: ["MARTLET_KEY": oldKey]).status
                == .exited(3)
        }
        try await client.expect(0, "publish", "hall-2", "x=1")
        try await client.expect(0, "things", "disable", thing)
        try await eventually("a disabled thing is refused") {
            try await client.run(["publish", "hall-2", "x=1"]).status == .exited(3)
        }
        try await client.expect(0, "things", "enable", thing)
        let changed = try await client.expect(
            0, "things", "update", thing, "--name", "boiler 8", "--tag", "a", "--tag", "b", "--json"
        ).json()
        #expect(changed["name"] as? String == "boiler 8" && changed["tags"] as? [String] == ["a", "b"])
        #expect((changed["metadata"] as? [String: Any])?["floor"] as? Int == 2)
        let second = try await client.expect(0, "things", "create", "boiler 8", "--json").json()
        #expect(try await client.expect(1, "things", "view", "boiler 8").errors.contains(thing))
        try await client.expect(0, "things", "delete", try #require(second["id"] as? String))
        try await client.expect(0, "things", "view", "boiler 8")
    }

    private func profilesStandBesideEachOther(_ client: MartletClient, url: String) async throws {
        let secret = "correct horse battery"
        try await client.expect(
            0, "users", "create", "ada@example.com", "--name", "Ada", "--password-stdin", input: secret + "\n")
        let ada = ["--profile", "ada"]
        let login = try await client.run(
            ["login", "--identity", "ada@example.com", "--password-stdin"] + ada, input: secret)
        #expect(login.status == .exited(0), "\(login)")
        #expect(try await client.run(["things", "--json"] + ada).json()["total"] as? Int == 0)
        #expect(try await client.run(["users"] + ada).status == .exited(1))
        try await client.expect(0, "profile", "use", "ada")
        #expect(try await client.expect(0, "whoami", "--json").json()["name"] as? String == "Ada")

        let plant = try await client.expect(0, "domains", "create", "Plant 1", "--route", "plant-1", "--json").json()
        try await client.expect(0, "domains", "use", "plant-1", "--password-stdin", input: secret)
        let now = try await client.expect(0, "whoami", "--json").json()
        #expect(now["domain_id"] as? String == plant["id"] as? String)
        let profiles = try await client.expect(0, "profile", "--json").json()
        #expect(profiles["current"] as? String == "ada")
        #expect((profiles["profiles"] as? [Any])?.count == 2)

        try await client.expect(0, "logout")
        try await client.expect(3, "whoami")
        try await client.expect(0, "whoami", "--profile", "default")
        try await client.expect(2, "profile", "use", "nobody")
        try await client.expect(0, "profile", "use", "default")
    }

    private func statusTellsWhatIsDown(_ client: MartletClient, _ stack: Stack, _ door: FrontDoor) async throws {
        let all = try await client.expect(0, "status", "--json").json()
        #expect(all["status"] as? String == "up")
        let services = try #require(all["services"] as? [[String: Any]])
        #expect(services.compactMap { $0["service"] as? String } == Stack.services)
        #expect(services.allSatisfy { $0["version"] is String && $0["latency_ms"] is NSNumber })

        try await stack.process("things").kill()
        let broken = try await client.expect(1, "status")
        let line = try #require(broken.output.split(separator: "\n").first { $0.hasPrefix("things") })
        #expect(line.contains("down") && line.contains("service-away"))
        #expect(try await client.expect(4, "things").errors.contains("martlet status"))
        try stack.launch("things")
        try await stack.waitUntilHealthy(["things"])
        try await eventually("all are up again") { try await client.run(["status"]).status == .exited(0) }

        try await door.stop()
        #expect(try await client.expect(4, "status").errors.contains("refused"))
    }

    // MARK: The session

    /// Several commands need a new access token at once, and the refresh token is good for one use: a second use would end the session.
    @Test func commandsAtOnceDoNotLoseTheSession() async throws {
        let stack = try await Stack.start()
        let door = try await FrontDoor.start(stack)
        let client = try MartletClient(url: door.url)
        try await logIn(client)
        var refreshTokens = Set<String>()
        for round in 1...4 {
            try Self.forgetAccessToken(client)
            let runs = try await withThrowingTaskGroup(of: MartletClient.Run.self) { group in
                for _ in 0..<6 { group.addTask { try await client.run(["whoami"]) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            for run in runs { #expect(run.status == .exited(0), "\(run)") }
            refreshTokens.insert(try #require(Self.profile(client)["refresh_token"] as? String))
            #expect(refreshTokens.count == round)
        }
        try await stack.stop()
    }

    private static func profile(_ client: MartletClient) throws -> [String: Any] {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(client.configuration)/profiles/default.json"))
        return try JSONSerialization.jsonObject(with: bytes) as? [String: Any] ?? [:]
    }

    private static func forgetAccessToken(_ client: MartletClient) throws {
        var profile = try profile(client)
        profile["access_token"] = nil
        let path = "\(client.configuration)/profiles/default.json"
        // Written into the file that is there: its mode stays.
        try JSONSerialization.data(withJSONObject: profile).write(to: URL(fileURLWithPath: path))
    }

    /// At a terminal the password is asked for, and not shown.
    @Test func passwordIsAskedForWithoutEcho() async throws {
        let stack = try await Stack.start()
        let door = try await FrontDoor.start(stack)
        let client = try MartletClient(url: door.url)
        let log = client.home.file("terminal.log")
        let command = "\(try Executables.path("martlet")) login --identity \(Stack.adminEmail)"
        // `script` gives it a terminal; what is typed comes when the question is there.
        let typed =
            "until grep -q Password \(log) 2>/dev/null; do sleep 0.05; done; echo '\(Stack.adminPassword)'; sleep 1"
        let terminal = try ServiceProcess(
            program: Executables.system("bash"),
            arguments: ["-c", "(\(typed)) | script -qefc '\(command)' '\(log)' >/dev/null"],
            environment: client.environment.merging(["TERM": "xterm", "COLUMNS": "80"]) { _, new in new },
            log: client.home.file("script.log"))
        #expect(try await terminal.waitForExit() == .exited(0), "\(terminal.log)")
        let shown = try String(contentsOfFile: log, encoding: .utf8)
        #expect(shown.contains("Password of \(Stack.adminEmail)"))
        #expect(!shown.contains(Stack.adminPassword))
        #expect(shown.contains("administrator"))
        try await client.expect(0, "whoami")
        try await stack.stop()
    }

    @Test func completionsAreInstalledWhereShellsLook() async throws {
        let client = try MartletClient(url: "http://127.0.0.1:1", environment: ["SHELL": "/bin/bash"])
        let run = try await client.expect(0, "completions")
        let path = client.home.file(".local/share/bash-completion/completions/martlet")
        #expect(run.output.contains(path))
        let check = try ServiceProcess(
            program: Executables.system("bash"), arguments: ["-c", "source '\(path)' && complete -p martlet"],
            environment: [:], log: client.home.file("complete.log"))
        #expect(try await check.waitForExit() == .exited(0), "\(check.log)")
        let fish = try await client.expect(0, "completions", "fish", "--print").output
        let zsh = try await client.expect(0, "completions", "zsh", "--print").output
        #expect(zsh.hasPrefix("#compdef martlet"))
        for word in ["simulate", "roles", "members", "user-groups", "invitations", "set-roles", "unshare"] {
            #expect(fish.contains(word) && zsh.contains(word), "\(word)")
        }
        #expect(try await client.expect(0, "help").output.contains("martlet publish hall-2"))
        #expect(try await client.expect(0, "--version").output == "0.1.0\n")
    }
}
