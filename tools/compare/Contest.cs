using TorchSharp;

namespace Picograd.Compare;

/// <summary>What both libraries do, timed.</summary>
/// <param name="Name">With its sizes.</param>
/// <param name="Ours">Prepares what is called again and again.</param>
/// <param name="Theirs">The same in libtorch.</param>
internal sealed record Contest(string Name, Func<Action> Ours, Func<Action> Theirs)
{
    /// <summary>Of functions whose results are freed.</summary>
    public static Contest Of(string name, Func<Func<Tensor>> ours, Func<Func<TorchTensor>> theirs) =>
        new(name, () => Freed(ours()), () => FreedThere(theirs()));

    /// <summary>Frees the result and all that was made on the way.</summary>
    public static Action Freed(Func<Tensor> run) =>
        () =>
        {
            using var scope = Tensor.Scope();
            run();
        };

    /// <inheritdoc cref="Freed"/>
    public static Action FreedThere(Func<TorchTensor> run) =>
        () =>
        {
            using var scope = torch.NewDisposeScope();
            run();
        };
}
