using Picograd.Graphs;

namespace Picograd;

public sealed partial class CompiledFunction
{
    /// <summary>
    /// Programs that are made from now on join calls into kernels where patterns say that it pays: results are those of the function to
    /// rounding, no longer to the bit. Returns itself.
    /// </summary>
    public CompiledFunction Joined()
    {
        Partition = JoiningPartition.Instance;
        return this;
    }
}
