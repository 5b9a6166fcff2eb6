using System.CommandLine;
using Picograd.Compare;

var root = new RootCommand("Compares Picograd with libtorch, in one process")
{
    SemanticsCommand.Create(),
    SpeedCommand.Create(),
};
return root.Parse(args).Invoke();
