// SPDX-License-Identifier: Apache-2.0
import Bus
import Observability
import ServiceKit
import Testing

/// W3C Trace Context section 3.2.
@Suite struct TraceContextTests {
    private let example = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    @Test func theSpecificationsExampleIsReadAndWritten() throws {
        let context = try #require(TraceContext(traceparent: example))
        #expect(context.traceID == "0af7651916cd43dd8448eb211c80319c")
        #expect(context.spanID == "b7ad6b7169203331")
        #expect(context.isSampled)
        #expect(context.traceparent == example)
        // A later version may have more behind it.
        #expect(TraceContext(traceparent: "cc" + example.dropFirst(2) + "-more") != nil)
    }

    @Test(arguments: [
        "", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more",
    ])
    func whatBreaksARuleIsNotRead(_ text: String) {
        #expect(TraceContext(traceparent: text) == nil)
        #expect(TraceContext.continuing(text).traceID != "0af7651916cd43dd8448eb211c80319c")
    }

    @Test func aChildKeepsTheTraceAndHasItsOwnSpan() throws {
        let parent = try #require(TraceContext(traceparent: example))
        let child = parent.child()
        #expect(child.traceID == parent.traceID)
        #expect(child.spanID != parent.spanID)
        #expect(child.isSampled)
        #expect(TraceContext(traceparent: TraceContext.root().traceparent) != nil)
    }

    @Test func aTraceGoesThroughTheBus() throws {
        let context = try #require(TraceContext(traceparent: example))
        let headers = TraceContext.$current.withValue(context) { BusHeaders.traced(messageID: "m") }
        #expect(headers.messageID == "m")
        #expect(headers.trace.traceID == context.traceID)
        #expect(BusHeaders.traced().traceparent == nil)
    }
}
