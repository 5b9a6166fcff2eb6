using System.Collections.Frozen;
using Picograd.Algorithms;

namespace Picograd;

/// <summary>What a function does with operands of 16 and 32 bits within <see cref="Autocast"/>.</summary>
internal enum AutocastPolicy
{
    /// <summary>Takes them as they are.</summary>
    Kept,

    /// <summary>Takes them in 16 bits.</summary>
    Lowered,

    /// <summary>Takes them in float32.</summary>
    Raised,
}

/// <summary>
/// The policies of all functions that have one, by PyTorch's names: its lists for CPUs and for GPUs, as far as there is such a function. What
/// is not there takes its operands as they are, and promotes several as usual.
/// </summary>
internal static class AutocastPolicies
{
    // Where both have the same.
    private static readonly (AutocastPolicy Policy, string Names)[] Both =
    [
        (
            AutocastPolicy.Lowered,
            """
            conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d
            linear matmul addmm baddbmm addbmm prelu
            scaled_dot_product_attention rnn rnn_cell
            """
        ),
        (
            AutocastPolicy.Raised,
            """
            l1_loss mse_loss smooth_l1_loss huber_loss nll_loss cross_entropy kl_div poisson_nll_loss soft_margin_loss
            hinge_embedding_loss margin_ranking_loss cosine_embedding_loss triplet_margin_loss multi_margin_loss
            multilabel_margin_loss binary_cross_entropy binary_cross_entropy_with_logits
            prod cdist
            """
        ),
    ];

    private static readonly (AutocastPolicy Policy, string Names)[] Cpu =
    [
        (AutocastPolicy.Raised, "ctc_loss grid_sampler"),
    ];

    private static readonly (AutocastPolicy Policy, string Names)[] Gpu =
    [
        (AutocastPolicy.Lowered, "addmv addr"),
        (
            AutocastPolicy.Raised,
            """
            acos asin cosh sinh tan erfinv exp expm1 log log2 log10 log1p reciprocal rsqrt pow
            softplus softplus_of softmax log_softmax layer_norm group_norm
            sum cumsum cumprod norm logsumexp cosine_similarity pdist dist renorm
            """
        ),
    ];

    private static readonly FrozenDictionary<string, AutocastPolicy> OnCpu = Of(Both, Cpu);
    private static readonly FrozenDictionary<string, AutocastPolicy> OnGpu = Of(Both, Gpu);

    public static AutocastPolicy Of(string name, Device device) =>
        (device.IsCuda ? OnGpu : OnCpu).GetValueOrDefault(name, AutocastPolicy.Kept);

    private static FrozenDictionary<string, AutocastPolicy> Of(
        params ReadOnlySpan<(AutocastPolicy Policy, string Names)[]> lists
    )
    {
        var all = new Dictionary<string, AutocastPolicy>();
        foreach (var list in lists)
        {
            foreach (var (policy, names) in list)
            {
                foreach (string name in names.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
                    all.Add(name, policy);
            }
        }
        return all.ToFrozenDictionary();
    }
}

/// <summary>A function's operands converted by its policy. What it is made of takes them as they are.</summary>
internal readonly struct AutocastCall(DType type)
{
    /// <summary>An operand as the function takes it.</summary>
    public Tensor? Of(Tensor? t) => t?.DType is DType.Float32 or DType.Float16 or DType.BFloat16 ? t.To(type) : t;

    /// <summary>Runs a function of converted operands.</summary>
    public T Run<T>(ReadOnlySpan<Tensor?> operands, Func<Tensor[], T> function)
    {
        var converted = new Tensor[operands.Length];
        for (int i = 0; i < converted.Length; i++)
            converted[i] = Of(operands[i])!;
        using (Autocast.Suspended())
            return function(converted);
    }
}
