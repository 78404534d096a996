// SPDX-License-Identifier: Apache-2.0
import TestKit
import Testing

@testable import MartletCLI

@Suite struct FailureTests {
    private func failure(_ status: Int, _ body: String) -> CommandFailure {
        CommandFailure(status: status, body: Array(body.utf8), path: "/things")
    }

    @Test func problemBecomesASentenceWithItsReasonAndAdvice() {
        let found = failure(
            403, #"{"status":403,"reason":"publish-not-allowed","detail":"The thing may not publish to this channel."}"#
        )
        #expect(found.message == "the thing may not publish to this channel (publish-not-allowed)")
        #expect(found.advice?.contains("martlet connect") == true)
        #expect(found.status == .refused)
        #expect(found.json.description.contains(#""reason":"publish-not-allowed""#))
    }

    @Test(arguments: [
        (400, 1), (401, 3), (403, 1), (404, 1), (409, 1), (413, 1), (422, 1), (429, 4), (500, 4), (503, 4),
    ])
    func statusesHaveTheirExitCodes(status: Int, exit: Int32) {
        #expect(failure(status, "{}").status.rawValue == exit)
        #expect(failure(status, "<html>").message == "the server answered \(status) to /things")
    }

    /// Scripts rely on these.
    @Test func exitCodesStay() {
        #expect(ExitStatus.allCases.map(\.rawValue) == [0, 1, 2, 3, 4, 5, 130])
    }

    @Test func messagesOfOthersCannotSteerTheTerminal() {
        let found = failure(400, #"{"reason":"x","detail":"a\u001b[2Jb"}"#)
        #expect(TextWidth.visible(found.message) == "a␛[2Jb (x)")
    }

    @Test func healthIsReadAsServicesAndTheFrontDoorSayIt() throws {
        func health(_ status: Int, _ body: String) -> ServiceHealth {
            ServiceHealth(
                "things", APIResponse(status: status, headers: [:], body: Array(body.utf8), path: "/health/things"),
                latencyMicroseconds: 1_000)
        }
        let up = health(200, #"{"status":"pass","version":"0.1.0","checks":{"bus":[{"status":"pass"}]}}"#)
        #expect(up.state == .up && up.version == "0.1.0" && up.troubles.isEmpty)
        let warn = health(200, #"{"status":"warn","checks":{"disk":[{"status":"warn","output":"nearly full"}]}}"#)
        #expect(warn.state == .warn && warn.troubles == ["disk: nearly full"])
        let down = health(
            503,
            #"{"status":"fail","checks":{"database":[{"status":"fail","output":"away"}],"bus":[{"status":"pass"}]}}"#)
        #expect(down.state == .down && down.troubles == ["database: away"])
        let away = health(503, #"{"status":503,"reason":"service-away","detail":"The service is starting."}"#)
        #expect(away.state == .down && away.troubles == ["the service is starting (service-away)"])
        #expect(health(200, "hello").state == .down)
        #expect([ServiceHealth.State.up, .down, .warn].max() == .down)
    }

    @Test func referencesAreOneOrTold() throws {
        let list = try JSONParser.parse(
            #"[{"id":"1","name":"a","route":"r"},{"id":"2","name":"b"},{"id":"3","name":"b"},{"id":"4","name":"r"},{"id":"5","credentials":{"identity":"x@y"}}]"#
        )
        #expect(try Reference.match("a", in: list, kind: "channel") == "1")
        // A route is meant before a name.
        #expect(try Reference.match("r", in: list, kind: "channel") == "1")
        #expect(try Reference.match("x@y", in: list, kind: "user") == "5")
        let several = #expect(throws: CommandFailure.self) { try Reference.match("b", in: list, kind: "channel") }
        #expect(several?.advice == "say which: 2, 3")
        let none = #expect(throws: CommandFailure.self) { try Reference.match("zz", in: list, kind: "channel") }
        #expect(none?.reason == "unknown-channel")
    }

    @Test func pathsKeepTheirForm() {
        #expect(PercentEncoding.encode("a/b?c#d e%é") == "a%2Fb%3Fc%23d%20e%25%C3%A9")
        #expect(PercentEncoding.encode(path: "boiler-7/+/#") == "boiler-7/%2B/%23")
        var request = APIRequest(.get, "/x", query: [("name", "a&b=c"), ("from", "1")])
        #expect(request.target == "/x?name=a%26b%3Dc&from=1")
        request.query = []
        #expect(request.target == "/x")
    }
}
