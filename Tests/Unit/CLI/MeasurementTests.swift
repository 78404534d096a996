// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Testing

@testable import MartletCLI

@Suite struct MeasurementTests {
    @Test(arguments: [
        ("temperature=71.5[Cel]", #"{"n":"temperature","u":"Cel","v":71.5}"#),
        ("pressure=182000", #"{"n":"pressure","v":182000}"#), ("a=+5", #"{"n":"a","v":5}"#),
        ("a=-.50", #"{"n":"a","v":-0.50}"#),
        ("a=1e3", #"{"n":"a","v":1e3}"#), ("open=true", #"{"n":"open","vb":true}"#),
        ("state=idle", #"{"n":"state","vs":"idle"}"#),
        (#"code="007""#, #"{"n":"code","vs":"007"}"#), (#"a="x[y]""#, #"{"n":"a","vs":"x[y]"}"#),
        ("a=b=c", #"{"n":"a","vs":"b=c"}"#),
        ("humidity=55[%RH]", #"{"n":"humidity","u":"%RH","v":55}"#), ("a=\"\"", #"{"n":"a","vs":""}"#),
        ("urn:x/y=0x10", #"{"n":"urn:x/y","vs":"0x10"}"#),
    ])
    func isReadAsItIsTyped(text: String, record: String) throws {
        #expect(try Measurement(text).record().description == record)
    }

    @Test(arguments: ["", "a", "=1", "a=", "a=[Cel]", "_a=1", "a b=1", "ä=1", "-=1"])
    func refusesWhatIsNone(text: String) {
        let failure = #expect(throws: CommandFailure.self) { try Measurement(text) }
        #expect(failure?.status == .usage)
    }

    @Test func packHasItsBaseOnce() throws {
        let measurements = [try Measurement("a=1"), try Measurement("b=2[V]")]
        let pack = Measurement.pack(measurements, baseName: "d:", time: "1078941600")
        #expect(pack.description == #"[{"bn":"d:","bt":1078941600,"n":"a","v":1},{"n":"b","u":"V","v":2}]"#)
        #expect(
            Measurement.pack(measurements, baseName: nil, time: nil).description
                == #"[{"n":"a","v":1},{"n":"b","u":"V","v":2}]"#)
    }

    @Test(arguments: [
        ("CO(GT)", "CO_GT_"), ("T", "T"), ("température", "temp_rature"), ("(x)", "x_x_"), ("", "x"),
        ("a:b/c.d-e", "a:b/c.d-e"),
    ])
    func namesAreMadeFromHeadings(heading: String, name: String) {
        #expect(SenMLName.made(from: heading) == name)
        #expect(SenMLName.isValid(name))
    }

    @Test(arguments: [
        ("71.5", ["v=71.5"]), (">70", ["v=70", "comparator=gt"]), ("<= -3", ["v=-3", "comparator=le"]),
        ("=0", ["v=0", "comparator=eq"]),
        ("true", ["vb=true"]), ("idle", ["vs=idle"]),
    ])
    func conditionsBecomeTheReadersParameters(text: String, query: [String]) throws {
        #expect(try MessageFilter.condition(text).map { "\($0.name)=\($0.value)" } == query)
    }

    @Test func conditionThatComparesTextIsRefused() {
        #expect(throws: CommandFailure.self) { try MessageFilter.condition(">warm") }
    }

    @Test func timesAreReadInTheirForms() throws {
        #expect(try TimeArgument.seconds("1078941600.123456789") == "1078941600.123456789")
        #expect(try TimeArgument.seconds("2004-03-10T18:00:00Z") == "1078941600")
        #expect(try TimeArgument.seconds("2004-03-10T19:00:00+01:00") == "1078941600")
        #expect(try TimeArgument.seconds("2004-03-10 18:00:00") == "1078941600")
        #expect(try TimeArgument.seconds("2004-03-10T18:00:00.250Z") == "1078941600.25")
        #expect(try TimeArgument.seconds("2004-03-10") == "1078876800")
        #expect(try TimeArgument.seconds("15m", now: 10_000) == "9100.000")
        #expect(try TimeArgument.seconds("1.5h", now: 10_000) == "4600.000")
        for text in ["", "yesterday", "2004-13-01", "5x", "-3m", "1e99s"] {
            #expect(throws: CommandFailure.self, "\(text)") { try TimeArgument.seconds(text) }
        }
    }

    @Test func timesAreShownInUTC() {
        #expect(TimeArgument.text(1_078_941_600.25) == "2004-03-10T18:00:00.250Z")
        #expect(TimeArgument.text(1e300) == "1e+300")
        #expect(TimeArgument.short(1_078_941_600) == "2004-03-10 18:00:00")
    }

    @Test func packIsResolvedAsReadersShowIt() throws {
        let pack = try JSONParser.parse(
            #"[{"bn":"d:","bt":1700000000.5,"bu":"Cel","n":"a","v":1},{"n":"b","t":0.25,"u":"V","vs":"x"},{"bv":10,"n":"c","v":0.5},{"bt":0,"n":"d","t":-1,"s":3}]"#
        )
        let records = try #require(SenMLPack.records(pack, created: .number("1800000000.000000001")))
        #expect(records.map(\.name) == ["d:a", "d:b", "d:c", "d:d"])
        #expect(records.map(\.time) == ["1700000000.5", "1700000000.75", "1700000000.5", "1799999999.000000001"])
        #expect(records.map(\.unit) == ["Cel", "V", "Cel", "Cel"])
        #expect(records.map { $0.value?.cell } == ["1", "x", "10.5", "3"])
        #expect(SenMLPack.records(.string("x"), created: nil) == nil)
    }

    @Test func followerShowsEachOnceAndTwinsTwice() throws {
        let context = try CommandContext(GlobalOptions.parse([]), environment: ["HOME": "/nonexistent"])
        var follower = Follower(reader: MessageReader(context, channelIdentifier: "c"), console: context.console)
        func message(_ time: Int, _ value: Int) -> JSONValue {
            .document([("time", .integer(time)), ("value", .integer(value))])
        }
        #expect(follower.take([message(100, 1), message(101, 2)]).count == 2)
        #expect(follower.take([message(100, 1), message(101, 2)]).isEmpty)
        #expect(follower.take([message(100, 1), message(101, 2), message(101, 2)]) == [message(101, 2)])
        // Late, but within the overlap.
        #expect(follower.take([message(90, 7), message(101, 2), message(101, 2)]) == [message(90, 7)])
        #expect(follower.take([message(400, 1)]).count == 1)
    }
}
