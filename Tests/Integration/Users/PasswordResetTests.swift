// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import TestKit
import Testing

/// A lost password is replaced by way of a mail, over a real SMTP server.
@Suite(.serialized) struct PasswordResetTests {
    private static func settings(port: Int) -> [String: any Sendable] {
        [
            "smtp.host": "127.0.0.1", "smtp.port": port, "smtp.security": "none", "smtp.from": "martlet@example.com",
            "smtp.from.name": "Märtlet",
        ]
    }

    private func ask(_ identity: String, _ users: UsersFixture) async throws -> HTTPClient.Response {
        try await users.client.post("/password/reset-request", json: ["email": identity])
    }

    private func reset(_ token: String, _ password: String, _ users: UsersFixture) async throws
        -> HTTPClient.Response
    {
        try await users.send("PUT", "/password/reset", #"{"token":"\#(token)","password":"\#(password)"}"#)
    }

    private func outcome(_ name: String, _ users: UsersFixture) async throws -> Double {
        try await users.metric("martlet_users_mails_total{outcome=\"\(name)\"}") ?? 0
    }

    @Test func aTokenOverAnEncryptedConnectionGivesOneNewPassword() async throws {
        let directory = try TemporaryDirectory("mail-keys")
        let (certificate, key) = try await MailServer.certificate(in: directory)
        let server = try await MailServer.start([certificate, key, "relay", "relay's password"])
        var settings = Self.settings(port: server.port)
        settings["smtp.security"] = "starttls"
        settings["smtp.username"] = "relay"
        settings["smtp.password"] = "relay's password"
        settings["smtp.ca.file"] = certificate
        try await UsersFixture.with(settings) { users in
            try await users.register("Ada@example.com")
            let session = try await users.logIn("ada@example.com")
            try users.expect(201, await ask("ada@EXAMPLE.com", users))
            let mail = try #require(try await server.mails(1).first)
            #expect(mail.from == "martlet@example.com" && mail.to == "Ada@example.com" && mail.isEncrypted)
            #expect(mail.hello == "example.com")
            // "Märtlet" and the subject are encoded words.
            #expect(mail.content.contains("\r\nFrom: =?UTF-8?B?TcOkcnRsZXQ=?=\r\n <martlet@example.com>\r\n"))
            #expect(mail.content.contains("\r\nSubject: =?UTF-8?B?"))
            #expect(mail.content.contains("\r\nMessage-ID: <") && mail.content.contains("\r\nAuto-Submitted: "))

            let token = try #require(mail.token)
            let different = #"{"token":"\#(token)","password":"another secret","confirm_password":"yet another"}"#
            let refused = try await users.send("PUT", "/password/reset", different)
            #expect(refused.problem?.reason == "passwords-differ")
            #expect(try await reset(token, "short", users).problem?.reason == "weak-secret")
            #expect(try await reset(token + "x", "another secret", users).status == 401)
            try users.expect(201, await reset(token, "another secret", users))
            // Once; and who was logged in is not any more.
            #expect(try await reset(token, "a third secret", users).problem?.reason == "invalid-reset-token")
            #expect(try await users.send("GET", "/users/profile", as: session).status == 401)
            #expect(try await users.refresh(session.refresh_token).status == 401)
            _ = try await users.logIn("ada@example.com", secret: "another secret")
            // The owner is told.
            let notice = try #require(try await server.mails(2).last)
            #expect(notice.to == "Ada@example.com" && notice.text.contains("was changed at"))
            #expect(try await outcome("sent", users) == 2)
        }
        await server.stop()
    }

    @Test func whoIsNotThereGetsTheSameAnswerAndNoMail() async throws {
        let server = try await MailServer.start()
        try await UsersFixture.with(Self.settings(port: server.port)) { users in
            try await users.register("known@example.com")
            try await users.register("no-address")
            let gone = try await users.register("gone@example.com")
            let admin = try await users.admin()
            try users.expect(200, await users.send("POST", "/users/\(gone.id)/disable", as: admin))
            let hashes = try await users.metric("martlet_users_password_hashes_total")
            var answers: Set<String> = []
            for identity in ["known@example.com", "unknown@example.com", "no-address", "gone@example.com"] {
                answers.insert(try users.expect(201, await ask(identity, users)).text)
            }
            #expect(answers.count == 1)
            #expect(try await users.metric("martlet_users_password_hashes_total") == hashes)
            try await eventually("all are handled") {
                let (dropped, sent) = (try await outcome("dropped", users), try await outcome("sent", users))
                return dropped == 3 && sent == 1
            }
            #expect(try server.mails().map(\.to) == ["known@example.com"])
            // Injection: an address ends where a line or a space begins.
            for bad in ["a@b\\r\\nBcc: c@d", "a@b c", "a@b\\u0000"] {
                #expect(try await users.send("POST", "/password/reset-request", "{\"email\":\"\(bad)\"}").status == 400)
            }
            // Nobody's mailbox is flooded: five an hour.
            var last = try await ask("known@example.com", users)
            for _ in 0..<20 where last.status == 201 {
                last = try await ask("known@example.com", users)
            }
            #expect(last.status == 429 && last.headers["retry-after"] != nil)
        }
        await server.stop()
    }

    @Test func aTokenDiesOfAge() async throws {
        let server = try await MailServer.start()
        var settings = Self.settings(port: server.port)
        settings["password.reset.page"] = "https://example.com/reset?token={token}"
        try await UsersFixture.with(settings) { users in
            try await users.register("ada@example.com")
            try users.expect(201, await ask("ada@example.com", users))
            let mail = try #require(try await server.mails(1).first)
            let link = try #require(mail.text.firstRange(of: "https://example.com/reset?token="))
            let token = String(mail.text[link.upperBound...].prefix(43))
            users.clock.advance(seconds: 31 * 60)
            #expect(try await reset(token, "another secret", users).status == 401)
            _ = try await users.logIn("ada@example.com")
        }
        await server.stop()
    }

    /// The mail waits as long as the server is away, also when the service itself is started anew.
    @Test func aServerThatIsAwayLosesNothing() async throws {
        let port = try FreePort.next()
        try await UsersFixture.with(Self.settings(port: port)) { users in
            try await users.register("ada@example.com")
            try users.expect(201, await ask("ada@example.com", users))
            try await eventually("an attempt has failed") { try await outcome("deferred", users) >= 1 }
            let health = try await users.client.get("/health")
            #expect(health.status == 200 && health.text.contains(#""mail":[{"status":"warn""#), "\(health.text)")
            // A second request while the first waits is the same mail.
            try users.expect(201, await ask("ada@example.com", users))
            let server = try await MailServer.start(port: port)
            users.clock.advance(seconds: 3_600)
            let mail = try #require(try await server.mails(1).first)
            try users.expect(201, await reset(try #require(mail.token), "another secret", users))
            let both = try await server.mails(2)
            #expect(both.count == 2 && both[1].text.contains("was changed"))
            await server.stop()
        }
    }

    /// A server that does not encrypt, or whose certificate nobody vouches for, is told nothing.
    @Test func nothingIsToldToAServerThatProvesNothing() async throws {
        let directory = try TemporaryDirectory("mail-keys")
        let (certificate, key) = try await MailServer.certificate(in: directory)
        for arguments in [[], [certificate, key]] {
            let server = try await MailServer.start(arguments)
            var settings = Self.settings(port: server.port)
            settings["smtp.security"] = "starttls"
            try await UsersFixture.with(settings) { users in
                try await users.register("ada@example.com")
                try users.expect(201, await ask("ada@example.com", users))
                try await eventually("an attempt has failed") { try await outcome("deferred", users) >= 1 }
                #expect(try server.mails().isEmpty)
            }
            await server.stop()
        }
    }

    @Test func whoIsRefusedForGoodIsGivenUpAndWhoIsBusyIsNot() async throws {
        let server = try await MailServer.start()
        try await UsersFixture.with(Self.settings(port: server.port)) { users in
            try await users.register("refused@example.com")
            try await users.register("busy@example.com")
            for identity in ["refused@example.com", "busy@example.com"] {
                try users.expect(201, await ask(identity, users))
            }
            for attempt in 1...3 {
                try await eventually("attempt \(attempt)") {
                    try await outcome("deferred", users) + outcome("failed", users) >= Double(2 * attempt)
                }
                users.clock.advance(seconds: 700)
            }
            #expect(try await outcome("failed", users) == 1)
            // A day later nobody waits any more.
            users.clock.advance(seconds: 90_000)
            try await eventually("the busy one is given up, too") { try await outcome("failed", users) == 2 }
            #expect(try await users.metric("martlet_users_mails_waiting") == 0)
            #expect(try server.mails().isEmpty)
        }
        await server.stop()
    }

    @Test func withoutAMailServerTheRoutesSaySo() async throws {
        try await UsersFixture.with { users in
            for answer in [try await ask("a@b", users), try await reset("x", "long enough", users)] {
                #expect(answer.status == 422 && answer.problem?.reason == "mail-not-configured", "\(answer.text)")
            }
        }
    }
}
