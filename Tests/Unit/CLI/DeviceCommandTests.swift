// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Testing

@testable import MartletCLI

/// `martlet things psk`, and `martlet users delete`.
@Suite struct DeviceCommandTests {
    private let thing = CommandFixture.identifiers[0]

    @Test func aPreSharedKeyIsSetShownAndRemoved() async throws {
        let path = "/things/\(thing)/psk"
        let fixture = try CommandFixture([
            "PUT \(path)": .json(#"{"thing_id":"\#(thing)","identity":"SN-1","secret":"0f0f"}"#),
            "GET \(path)": .json(#"{"thing_id":"\#(thing)","identity":"SN-1"}"#),
            "DELETE \(path)": .json("", status: 204),
            CommandFixture.list("/things", "name=press&status=all&"): CommandFixture.page(
                "things", #"{"id":"\#(thing)","name":"press"}"#),
        ])
        let made = try await fixture.run(ThingsCommand.PreSharedKeys.Set.self, [thing])
        #expect(made.requests == ["PUT \(path) {}"])
        #expect(made.output.contains("SN-1") && made.output.contains("0f0f"))
        // A secret is never an argument.
        let brought = try await fixture.run(
            ThingsCommand.PreSharedKeys.Set.self, ["press", "--identity", "SN-1", "--own-secret"],
            secrets: ["000102030405060708090a0b0c0d0e0f"])
        #expect(
            brought.requests.last
                == #"PUT \#(path) {"identity":"SN-1","secret":"000102030405060708090a0b0c0d0e0f"}"#)
        #expect(throws: (any Error).self) { try ThingsCommand.PreSharedKeys.Set.parse([thing, "--secret", "x"]) }
        let shown = try await fixture.run(ThingsCommand.PreSharedKeys.Show.self, [thing])
        #expect(shown.requests == ["GET \(path)"])
        #expect(shown.output.contains("SN-1"))
        let removed = try await fixture.run(ThingsCommand.PreSharedKeys.Remove.self, [thing])
        #expect(removed.requests == ["DELETE \(path)"])
        #expect(removed.output == "Removed the pre-shared key of \(thing).\n")
    }

    @Test func aUserIsDeletedAndOneselfWithThePassword() async throws {
        let (user, oneself) = (CommandFixture.identifiers[1], CommandFixture.identifiers[2])
        let fixture = try CommandFixture([
            "DELETE /users/\(user)": .json("", status: 204), "DELETE /users/\(oneself)": .json("", status: 204),
            "DELETE /users/\(oneself.uppercased())": .json("", status: 204),
        ])
        let token = CommandFixture.token(#"{"sub":"\#(oneself)"}"#)
        let other = try await fixture.run(UsersCommand.Delete.self, [user], token: token)
        #expect(other.requests == ["DELETE /users/\(user)"])
        #expect(other.output == "Removed \(user).\n")
        for text in [oneself, oneself.uppercased()] {
            let own = try await fixture.run(
                UsersCommand.Delete.self, [text], secrets: ["correct horse battery"], token: token)
            #expect(own.requests == [#"DELETE /users/\#(text) {"secret":"correct horse battery"}"#], "\(text)")
        }
        let none = try await fixture.run(UsersCommand.Delete.self, ["../things?x"], token: token)
        #expect(none.requests == ["DELETE /users/..%2Fthings%3Fx"])
        #expect(none.failure?.status == .refused)
    }
}
