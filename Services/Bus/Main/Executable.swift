// SPDX-License-Identifier: Apache-2.0
import BusService

@main struct Executable { static func main() async {} }
