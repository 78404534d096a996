// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import Messaging
import Testing

@testable import MQTTBridge

@Suite struct RemotesFileTests {
    private static let channel = "0190d2f5-7a3e-7c1b-8f2d-1a2b3c4d5e6f"

    private static func remote(
        _ more: String = "", incoming: String = #"{"topic":"a/#","channel":"press"}"#, outgoing: String = ""
    ) -> String {
        #"{"remotes":[{"name":"plant","host":"broker","thing":{"key_file":"/k"},"in":[\#(incoming)],"out":[\#(outgoing)]\#(more)}]}"#
    }

    private static func parse(_ text: String) throws -> [Remote] { try RemotesFile.parse(Data(text.utf8)) }

    @Test func defaults() throws {
        let remote = try #require(try Self.parse(Self.remote()).first)
        #expect(remote.port == 1883)
        #expect(remote.version == .v5)
        #expect(remote.clientID == "martlet-plant")
        #expect(remote.keepAliveSeconds == 60)
        #expect(remote.maximumInFlight == 100)
        #expect(remote.tls == nil)
        #expect(remote.incoming.first?.qos == .atLeastOnce)
        #expect(try remote.incoming.first?.subtopic(of: "a/b") == "a.b")
        let old = try #require(try Self.parse(Self.remote(##","version":"3.1.1""##)).first)
        #expect(old.maximumInFlight == 20)
        let secure = try #require(try Self.parse(Self.remote(#","tls":{}"#)).first)
        #expect(secure.port == 8883)
        #expect(secure.tls == Remote.TLS())
    }

    @Test func everythingCanBeSaid() throws {
        let text = Self.remote(
            #","port":2000,"version":"3.1.1","client_id":"x","username":"u","password_file":"/p","keep_alive_seconds":30,"session_expiry_seconds":60,"maximum_in_flight":5,"tls":{"verify_server_name":false}"#,
            incoming:
                #"{"topic":"$share/g/s/+/t","channel":"press","domain":"plant","subtopic":"t/{1}","qos":2,"content_type":"application/senml+json"}"#,
            outgoing: #"{"channel":"\#(Self.channel)","subtopic":"c/+","topic":"d/{1}","qos":0,"retain":true}"#)
        let remote = try #require(try Self.parse(text).first)
        #expect(remote.port == 2000)
        #expect(remote.version == .v311)
        #expect(remote.tls?.verifiesServerName == false)
        let incoming = try #require(remote.incoming.first)
        #expect(incoming.filter == "$share/g/s/+/t")
        #expect(incoming.contentType == .senmlJSON)
        #expect(try incoming.subtopic(of: "s/press/t") == "t.press")
        #expect(try incoming.subtopic(of: "s/press/u") == nil)
        #expect(throws: PathError.dot) { try incoming.subtopic(of: "s/a.b/t") }
        let outgoing = try #require(remote.outgoing.first)
        #expect(outgoing.retain)
        #expect(outgoing.topic(subtopic: "c.x", channel: .new(), publisher: .new()) == "d/x")
        #expect(outgoing.topic(subtopic: "c.x.y", channel: .new(), publisher: .new()) == nil)
    }

    @Test(arguments: [
        ("[]", ""), ("{", ""), ("{}", "remotes"), (#"{"remotes":{}}"#, "remotes"), (#"{"remotes":[1]}"#, "remotes[0]"),
        (#"{"remotes":[],"x":1}"#, "x"),
        (#"{"remotes":[{"name":"Plant"}]}"#, "remotes[0].name"),
        (#"{"remotes":[{"name":"plant"}]}"#, "remotes[0].thing"),
        (#"{"remotes":[{"name":"plant","thing":{"key":"x"}}]}"#, "remotes[0].thing.key_file"),
        (#"{"remotes":[{"name":"plant","thing":{"key_file":"/k"}}]}"#, "remotes[0].host"),
        (#"{"remotes":[{"name":"plant","host":"h","thing":{"key_file":"/k"}}]}"#, "remotes[0].in"),
    ])
    func problemsNameTheirField(text: String, field: String) {
        #expect(self.field(of: text) == field)
    }

    @Test(arguments: [
        (#","port":0"#, "remotes[0].port"), (##","port":"1""##, "remotes[0].port"),
        (#","port":1.5"#, "remotes[0].port"), (#","version":"4""#, "remotes[0].version"),
        (#","versoin":"5""#, "remotes[0].versoin"), (#","password_file":"/p""#, "remotes[0].username"),
        (#","keep_alive_seconds":1"#, "remotes[0].keep_alive_seconds"), (#","tls":1"#, "remotes[0].tls"),
        (#","tls":{"authority_file":"/does/not/exist"}"#, "remotes[0].tls.authority_file"),
        (#","tls":{"certificate_file":"/dev/null"}"#, "remotes[0].tls.key_file"),
        (#","tls":{"verify_server_name":"no"}"#, "remotes[0].tls.verify_server_name"),
        (#","client_id":"""#, "remotes[0].client_id"),
    ])
    func membersAreChecked(more: String, field: String) {
        #expect(self.field(of: Self.remote(more)) == field)
    }

    @Test(arguments: [
        (#"{"channel":"c"}"#, "topic"), (#"{"topic":"a"}"#, "channel"), (#"{"topic":"a/#/b","channel":"c"}"#, "topic"),
        (#"{"topic":"a","channel":"c d"}"#, "channel"), (#"{"topic":"a","channel":"c","domain":"."}"#, "domain"),
        (#"{"topic":"a","channel":"c","qos":3}"#, "qos"),
        (#"{"topic":"a","channel":"c","subtopic":"{1}"}"#, "subtopic"),
        (#"{"topic":"a","channel":"c","content_type":"x"}"#, "content_type"),
        (#"{"topic":"a","channel":"c","retain":true}"#, "retain"),
    ])
    func mappingsAreChecked(mapping: String, member: String) {
        #expect(field(of: Self.remote(incoming: mapping)) == "remotes[0].in[0].\(member)")
    }

    @Test func overlappingFiltersAreRefused() {
        let both = #"{"topic":"a/#","channel":"c"},{"topic":"a/+/b","channel":"d"}"#
        #expect(field(of: Self.remote(incoming: both)) == "remotes[0].in[1].topic")
    }

    @Test func namesAreUnique() {
        let one = #"{"name":"p","host":"h","thing":{"key_file":"/k"},"in":[{"topic":"a","channel":"c"}]}"#
        #expect(field(of: #"{"remotes":[\#(one),\#(one)]}"#) == "remotes[1].name")
    }

    @Test func remotesThatFeedThemselvesAreSeen() throws {
        let overlapping = Self.remote(outgoing: #"{"channel":"c","topic":"a/{subtopic}"}"#)
        #expect(try Self.parse(overlapping).first?.feedsItself == true)
        let apart = Self.remote(outgoing: #"{"channel":"c","topic":"b/{subtopic}"}"#)
        #expect(try Self.parse(apart).first?.feedsItself == false)
    }

    private func field(of text: String) -> String? {
        do throws(RemotesProblem) {
            _ = try RemotesFile.parse(Data(text.utf8))
            return nil
        } catch {
            return error.field
        }
    }
}
