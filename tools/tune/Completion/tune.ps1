# Completion of tune's commands, options, operators and their keys in PowerShell.
# For this shell:   tune completion pwsh | Out-String | Invoke-Expression
# For every shell:  tune completion pwsh >> $PROFILE

Register-ArgumentCompleter -Native -CommandName tune -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $program = $commandAst.CommandElements[0].Extent.Text
    $start = $commandAst.Extent.StartOffset
    $before = $commandAst.Extent.Text
    $length = $cursorPosition - $start
    if ($length -lt $before.Length) { $before = $before.Substring(0, $length) }
    $word = if ($cursorPosition -gt $commandAst.Extent.EndOffset) { '' } else { ($before -split '\s')[-1] }
    # What may stand in the place of the word is asked for.
    $line = 'tune' + $before.Substring($program.Length)
    $line = $line.Substring(0, $line.Length - $word.Length).TrimEnd() + ' '
    & $program "[suggest:$($line.Length)]" $line 2>$null |
        # Options are offered to whoever begins one; elsewhere names of files may be wanted.
        Where-Object { $_ -and ($word.StartsWith('-') -or -not $_.StartsWith('-')) } |
        Where-Object { $_.StartsWith($word, [StringComparison]::Ordinal) } |
        ForEach-Object { [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_) }
}
