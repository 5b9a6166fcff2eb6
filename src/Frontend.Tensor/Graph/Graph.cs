using Picograd.Graphs;

namespace Picograd;

/// <summary>
/// Compiles functions of tensors, whole training steps among them (torch.compile): what a function calls is recorded while it runs, and
/// later calls run the recorded program, in memory that was planned for it.
/// </summary>
/// <remarks>See <c>docs/graph.md</c> for what is repeated, what is looked at in each call, and what is refused.</remarks>
public static class Graph
{
    /// <summary>Compiles a function of no tensors.</summary>
    /// <param name="function">What is to be repeated: calls of tensors, not the program between them.</param>
    /// <param name="fullGraph">
    /// Whether it is an error where the program looks at values on the way (with the line), as torch.compile has it by that name. Without, such a
    /// function runs as it is, which is said once.
    /// </param>
    public static CompiledFunction Compile(Func<Tensor> function, bool fullGraph = true)
    {
        ArgumentNullException.ThrowIfNull(function);
        return new(_ => [function()], 0, fullGraph);
    }

    /// <inheritdoc cref="Compile(Func{Tensor}, bool)"/>
    public static CompiledFunction Compile(Func<Tensor, Tensor> function, bool fullGraph = true)
    {
        ArgumentNullException.ThrowIfNull(function);
        return new(a => [function(a[0])], 1, fullGraph);
    }

    /// <inheritdoc cref="Compile(Func{Tensor}, bool)"/>
    public static CompiledFunction Compile(Func<Tensor, Tensor, Tensor> function, bool fullGraph = true)
    {
        ArgumentNullException.ThrowIfNull(function);
        return new(a => [function(a[0], a[1])], 2, fullGraph);
    }

    /// <inheritdoc cref="Compile(Func{Tensor}, bool)"/>
    public static CompiledFunction Compile(Func<Tensor, Tensor, Tensor, Tensor> function, bool fullGraph = true)
    {
        ArgumentNullException.ThrowIfNull(function);
        return new(a => [function(a[0], a[1], a[2])], 3, fullGraph);
    }

    /// <summary>Compiles a function of any number of tensors with any number of results.</summary>
    /// <inheritdoc cref="Compile(Func{Tensor}, bool)"/>
    public static CompiledFunction Compile(Func<Tensor[], Tensor[]> function, bool fullGraph = true)
    {
        ArgumentNullException.ThrowIfNull(function);
        return new(function, -1, fullGraph);
    }

    /// <summary>Compiles what returns nothing; call it with <see cref="CompiledFunction.Invoke"/>.</summary>
    /// <inheritdoc cref="Compile(Func{Tensor}, bool)"/>
    public static CompiledFunction Compile(Action function, bool fullGraph = true)
    {
        ArgumentNullException.ThrowIfNull(function);
        return new(
            _ =>
            {
                function();
                return [];
            },
            0,
            fullGraph
        );
    }

    /// <inheritdoc cref="Compile(Action, bool)"/>
    public static CompiledFunction Compile(Action<Tensor, Tensor> function, bool fullGraph = true)
    {
        ArgumentNullException.ThrowIfNull(function);
        return new(
            a =>
            {
                function(a[0], a[1]);
                return [];
            },
            2,
            fullGraph
        );
    }

    /// <summary>Compiles a module's Forward.</summary>
    /// <inheritdoc cref="Compile(Func{Tensor}, bool)"/>
    public static CompiledFunction Compile(Module module, bool fullGraph = true)
    {
        ArgumentNullException.ThrowIfNull(module);
        return new(a => [module.Call(a[0])], 1, fullGraph);
    }
}
