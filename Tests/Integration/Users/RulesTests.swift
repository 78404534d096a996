// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Identity
import Mail
import ServiceKit
import Testing

@testable import UsersService

/// Rules that need no service around them.
@Suite struct RulesTests {
    private func duration(_ json: String) throws -> Int64? {
        try JSONDecoder().decode(KeyDuration.self, from: Data(json.utf8)).seconds
    }

    @Test func durationsAreNanosecondsOrGosText() throws {
        let good: [String: Int64?] = [
            "0": nil, "\"0\"": nil, "1000000000": 1, "\"720h\"": 2_592_000, "\"1h30m\"": 5_400, "\"90s\"": 90, "5": 0,
            "\"0s\"": nil, "\"1h1h\"": 7_200,
        ]
        for (json, seconds) in good { #expect(try duration(json) == seconds, "\(json)") }
        let bad = [
            "\"\"", "\"h\"", "\"1\"", "\"1d\"", "\"-1h\"", "\"1.5h\"", "\"1h \"", "\"٣h\"", "true", "null", "[]",
            "1e400",
            "\"9223372036854775807h\"", "\"9223372036854775807s1s\"", "\"\(String(repeating: "1", count: 40))s\"",
        ]
        for json in bad {
            #expect(throws: (any Error).self, "\(json)") { try duration(json) }
        }
    }

    @Test func waitsDoubleUpToAnHour() {
        let policy = LockOutPolicy(failures: 3, firstWaitSeconds: 30)
        #expect((0...2).allSatisfy { policy.waitSeconds(afterFailures: $0) == nil })
        #expect((3...6).map { policy.waitSeconds(afterFailures: $0) } == [30, 60, 120, 240])
        for count in [100, Int64.max] { #expect(policy.waitSeconds(afterFailures: count) == 3_600) }
        let slow = LockOutPolicy(failures: 100_000, firstWaitSeconds: 3_600)
        #expect(slow.waitSeconds(afterFailures: Int64.max) == 3_600)
    }

    @Test func mailsAreTriedAgainEverMoreSeldom() {
        let waits = (1...12).map { MailLimits.retryNanoseconds(afterAttempts: $0) / 1_000_000_000 }
        #expect(waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600])
        #expect(MailLimits.retryNanoseconds(afterAttempts: .max) == MailLimits.longestRetryNanoseconds)
        #expect(MailLimits.retryNanoseconds(afterAttempts: .min) == MailLimits.firstRetryNanoseconds)
    }

    private func mail(_ settings: [String: any Sendable]) async throws -> MailSettings? {
        try MailSettings(try await ServiceConfiguration(UsersService.description.allKeys, overriding: settings))
    }

    @Test func mailIsConfiguredAsAWholeOrNotAtAll() async throws {
        #expect(try await mail([:]) == nil)
        await #expect(throws: ConfigurationError.self) { try await mail(["smtp.host": "relay"]) }
        let good: [String: any Sendable] = ["smtp.host": "relay", "smtp.from": "a@b"]
        #expect(try await mail(good)?.from.description == "a@b")
        // A password is not told to another machine without encryption.
        let bare = good.merging(["smtp.username": "u", "smtp.password": "p", "smtp.security": "none"]) { $1 }
        await #expect(throws: ConfigurationError.self) { try await mail(bare) }
        #expect(try await mail(bare.merging(["smtp.host": "127.0.0.1"]) { $1 }) != nil)
        let hostile = good.merging(["smtp.from": "a@b\r\nBcc: c"]) { $1 }
        await #expect(throws: ConfigurationError.self) { try await mail(hostile) }
    }

    @Test func rightsAddUp() {
        let plain = Rights(role: .editor, custom: [.thingsRead])
        #expect(plain.grants == nil && plain.role == .editor, "nothing that the role does not say")
        let more = Rights(role: .viewer, custom: [.usersManage])
        #expect(more.role == .viewer && more.grants?.actions == Role.viewer.actions.union([.usersManage]))
        let whole = Rights(role: .none, custom: Role.editor.actions)
        #expect(whole.role == .editor && whole.grants == nil)
        #expect(Rights(role: .admin).covers(more.actions) && !more.covers(Role.editor.actions))
        #expect(more.covers([]) && !Rights(role: .none).allows(.thingsRead))
    }
}
