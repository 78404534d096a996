// SPDX-License-Identifier: Apache-2.0
import Foundation
import Messaging
import TestKit
import Testing

@testable import BusService

@Suite struct RoleTests {
    private func may(_ table: RoleTable, _ role: String, publish subject: String) throws -> Bool {
        let index = try #require(table.index(of: role))
        var subject = subject
        return subject.withUTF8 { table.publishers(of: UnsafeRawBufferPointer($0)) } & 1 << UInt64(index) != 0
    }

    @Test func theDefaultsGrantWhatEachServiceNeedsAndNoMore() throws {
        let table = try RoleTable(RoleTable.defaults)
        #expect(try may(table, "http-adapter", publish: "channels.x.y"))
        #expect(try may(table, "http-adapter", publish: "rpc.things.identify"))
        #expect(try !may(table, "http-adapter", publish: "events.things.thing.removed"))
        #expect(try may(table, "things", publish: "events.things.thing.removed"))
        #expect(try !may(table, "things", publish: "events.users.user.removed"))
        #expect(try !may(table, "writer-postgres", publish: "channels.x"))
        #expect(try may(table, "martlet", publish: "anything.at.all"))
        #expect(table.index(of: "test") == nil)
        // Reads the stream for those who listen live, and through nobody's durable consumer.
        let adapter = try #require(table.index(of: "http-adapter").map { table.roles[$0] })
        #expect(adapter.mayRead(stream: "messages"))
        #expect(!adapter.mayRead(stream: "messages", consumer: "writer-postgres"))
        #expect(!adapter.mayRead(stream: "events"))
        // Hears who left a domain, however long it was away.
        let things = try #require(table.index(of: "things").map { table.roles[$0] })
        #expect(things.mayRead(stream: "events", consumer: "things"))
        #expect(!things.mayRead(stream: "events", consumer: "twins"))
    }

    /// A role that may ask has every device's secret.
    @Test func preSharedKeysAreForTheAdapterOfCoAPOnly() throws {
        let table = try RoleTable(RoleTable.defaults)
        for subject in [Subjects.preSharedKeys, Subjects.lookUpPreSharedKey] {
            let asking = try table.roles.map(\.name).filter { try may(table, $0, publish: subject) }
            // The command line's role is for operators of the machine, who may read the database as well.
            #expect(asking == ["coap-adapter", "martlet"])
            let answering = table.roles.filter { $0.maySubscribe(to: subject) }.map(\.name)
            #expect(answering == ["things", "martlet"])
        }
        // What all may ask they still may.
        for subject in [
            Subjects.identifyThing, Subjects.lookUpThing, Subjects.authorizeThing, Subjects.lookUpChannel,
            Subjects.tokenKeys, Subjects.lookUpDomain,
        ] {
            for role in ["coap-adapter", "mqtt-adapter", "http-adapter", "mqtt-bridge", "reader-postgres", "journal"] {
                #expect(try may(table, role, publish: subject))
            }
        }
        #expect(try may(table, "coap-adapter", publish: "rpc.reader.last"))
        #expect(try !may(table, "mqtt-adapter", publish: "rpc.reader.last"))
        #expect(try !may(table, "coap-adapter", publish: "events.mqtt-adapter.client.removed"))
    }

    @Test func aRoleSubscribesOnlyWithinItsFilters() {
        let role = Role(name: "x", subscribe: ["events.>", "channels.*.a"])
        #expect(role.maySubscribe(to: "events.things.*.removed"))
        #expect(role.maySubscribe(to: "channels.1.a"))
        #expect(!role.maySubscribe(to: "channels.>"))
        #expect(!role.maySubscribe(to: ">"))
        #expect(!role.maySubscribe(to: "events"))
    }

    @Test func aRoleReadsTheStreamsAndConsumersThatItLists() {
        let role = Role(name: "x", consume: ["messages/writer", "events"])
        #expect(role.mayRead(stream: "messages", consumer: "writer"))
        #expect(!role.mayRead(stream: "messages", consumer: "other"))
        #expect(role.mayRead(stream: "messages"))
        #expect(role.mayRead(stream: "events", consumer: "any"))
        #expect(!role.mayRead(stream: "dead-letters"))
        #expect(Role(name: "y", consume: ["*"]).mayRead(stream: "dead-letters", consumer: "z"))
    }

    @Test func aFileAddsAndReplacesRoles() throws {
        let directory = try TemporaryDirectory("roles")
        let path = directory.file("roles.json")
        try Data(#"{"roles":[{"name":"things","publish":["x.>"]},{"name":"new","subscribe":["y.*"]}]}"#.utf8)
            .write(to: URL(fileURLWithPath: path))
        var configuration = BusConfiguration(socketPath: "s", dataDirectory: "d")
        configuration.rolesFile = path
        let table = try RoleTable.load(configuration)
        #expect(try may(table, "things", publish: "x.y"))
        #expect(try !may(table, "things", publish: "events.things.thing.removed"))
        #expect(table.index(of: "new") != nil)
        #expect(try may(table, "users", publish: "events.users.user.created"))
    }

    @Test(arguments: [
        "not json", #"{"roles":[{"name":"a"},{"name":"a"}]}"#, #"{"roles":[{"name":"a","publish":["x..y"]}]}"#,
        #"{"roles":[{"name":""}]}"#,
    ])
    func aFileThatCannotBeUsedIsRefused(_ text: String) throws {
        let directory = try TemporaryDirectory("roles")
        let path = directory.file("roles.json")
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        var configuration = BusConfiguration(socketPath: "s", dataDirectory: "d")
        configuration.rolesFile = path
        #expect(throws: RoleTable.Invalid.self) { try RoleTable.load(configuration) }
    }
}
