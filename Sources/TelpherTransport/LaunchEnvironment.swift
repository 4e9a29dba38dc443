/// The environment of a child: the variables that several children start with, whose strings are
/// made once, and the changes for this child.
package struct LaunchEnvironment: Sendable {
  /// The variables before the changes, and what is made of them. Never changed.
  private final class Base: Sendable {
    let variables: [SystemString: SystemString]
    /// `NAME=value` for each variable.
    let strings: [(name: SystemString, string: SystemString)]
    /// The same without the names, for a child without changes.
    let unnamed: [SystemString]
    /// Why a variable can't be passed to a child; nil if all can be.
    let fault: String?
    /// The folders of PATH.
    let folders: [SystemString]

    init(_ variables: [SystemString: SystemString]) {
      self.variables = variables
      strings = variables.map { ($0, LaunchEnvironment.string($0, $1)) }
      unnamed = strings.map(\.string)
      fault = variables.lazy.compactMap { LaunchEnvironment.fault($0, $1) }.first
      folders = LaunchEnvironment.folders(of: variables["PATH"])
    }
  }

  private let base: Base
  /// The variables that are added or replaced, and those that are removed (nil).
  private var changes: [SystemString: SystemString?] = [:]

  /// An environment of these variables.
  package init(_ variables: [SystemString: SystemString]) { base = Base(variables) }

  /// The value of a variable; nil if it is not set. Setting it to nil removes the variable.
  package subscript(name: SystemString) -> SystemString? {
    get {
      if let change = changes[name] { return change }
      return base.variables[name]
    }
    set { changes.updateValue(newValue, forKey: name) }
  }

  /// All variables.
  package var variables: [SystemString: SystemString] {
    var variables = base.variables
    for (name, value) in changes { variables[name] = value }
    return variables
  }

  /// Why a variable can't be passed to a child: its name is empty or has a `=`, or it has a NUL
  /// byte. Nil if all can be passed.
  package var fault: String? {
    if let fault = base.fault {
      // The variable at fault may have been replaced or removed.
      return changes.isEmpty
        ? fault : variables.lazy.compactMap { LaunchEnvironment.fault($0, $1) }.first
    }
    for case (let name, let value?) in changes {
      if let fault = Self.fault(name, value) { return fault }
    }
    return nil
  }

  /// `NAME=value` for each variable, for execve(2).
  package var strings: [SystemString] {
    if changes.isEmpty { return base.unnamed }
    var strings: [SystemString] = []
    strings.reserveCapacity(base.strings.count + changes.count)
    for (name, string) in base.strings where changes[name] == nil {
      strings.append(string)
    }
    for case (let name, let value?) in changes { strings.append(Self.string(name, value)) }
    return strings
  }

  /// The folders in which a program without a slash in its name is searched for, in order: those of
  /// PATH, or of execvp(3) without it. The empty one is the working directory.
  package var folders: [SystemString] {
    changes["PATH"] == nil ? base.folders : Self.folders(of: self["PATH"])
  }

  /// The search path of execvp(3) if the environment has no PATH.
  private static let defaultPath: SystemString = "/bin:/usr/bin"

  private static func folders(of path: SystemString?) -> [SystemString] {
    (path ?? defaultPath).bytes
      .split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
      .map { SystemString(Array($0)) }
  }

  private static func string(_ name: SystemString, _ value: SystemString) -> SystemString {
    SystemString(name.bytes + [UInt8(ascii: "=")] + value.bytes)
  }

  private static func fault(_ name: SystemString, _ value: SystemString) -> String? {
    if name.bytes.isEmpty || name.bytes.contains(UInt8(ascii: "=")) {
      return "'\(name)' can't name an environment variable"
    }
    return name.bytes.contains(0) || value.bytes.contains(0)
      ? "an environment variable has a NUL byte" : nil
  }
}
