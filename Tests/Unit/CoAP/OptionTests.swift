// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import CoAPAdapter

@Suite struct OptionTests {
    @Test("A uint takes as few bytes as it needs, none for 0 (RFC 7252 section 3.2)")
    func uint() {
        #expect(CoAPOption(12, uint: 0).value == [])
        #expect(CoAPOption(12, uint: 110).value == [110])
        #expect(CoAPOption(14, uint: 0x1_0000).value == [1, 0, 0])
        #expect(CoAPOption(14, uint: .max).uint == .max)
        #expect(CoAPOption(14, [0, 0, 0, 0, 1]).uint == nil)
    }
}
